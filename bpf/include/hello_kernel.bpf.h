/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* Of the kernel's types what --mode bloom reads: where it stands is relocated (CO-RE). */
#ifndef HELLO_KERNEL_BPF_H
#define HELLO_KERNEL_BPF_H

#include <linux/types.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct super_block {
	__u32 s_dev;
};

struct inode {
	struct super_block *i_sb;
	unsigned long i_ino;
	__u32 i_generation;
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
