/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* Of the kernel's types what --mode bloom reads: where it stands is relocated (CO-RE). */
#ifndef HELLO_KERNEL_BPF_H
#define HELLO_KERNEL_BPF_H

#include <linux/types.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct super_block {
	__u32 s_dev;
};

struct timespec64 {
	__s64 tv_sec;
	long tv_nsec;
};

struct inode {
	struct super_block *i_sb;
	unsigned long i_ino;
	__u32 i_generation;
	__s64 i_mtime_sec; /* 6.11 */
	__u32 i_mtime_nsec;
};

struct inode___before_6_11 {
	struct timespec64 __i_mtime; /* 6.7 */
};

struct inode___before_6_7 {
	struct timespec64 i_mtime;
};

struct qstr {
	const unsigned char *name;
};

struct dentry {
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
};

struct vfsmount {
	struct dentry *mnt_root;
};

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
};

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};

struct file {
	struct path f_path;
};

struct fs_struct {
	struct path root;
	struct path pwd;
};

struct task_struct {
	struct fs_struct *fs;
};

struct linux_binprm {
	struct file *file;
	const char *filename; /* as it was given, or /dev/fd/N */
	const char *interp; /* the same, unless another program runs it */
};

#pragma clang attribute pop

#endif
