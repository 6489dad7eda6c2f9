/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * --mode bloom: the file of a program once it is there, remembered by a bloom
 * filter (kernel 5.16). Who executes it is noted a little earlier, while they
 * still have their own name.
 */
#include "hello.bpf.h"
#include "hello_kernel.bpf.h"
#include <linux/errno.h>
#include <bpf/bpf_core_read.h>

#define NAME_SIZE 256   /* NAME_MAX and its end */
#define PATH_SIZE 1024
#define SCRIPT_SIZE 256
#define MOST_STEPS 64   /* names and mounts from a file to the root */

/*
 * What is remembered: a file by its number, however it is called. Of a script
 * the kernel knows only its interpreter's by now: so its name as it was given,
 * and the folder that it begins in.
 */
struct hello_file {
	__u64 number;
	__u32 device;
	__u32 generation; /* numbers are given again */
	__u64 written; /* ns; where nobody counts generations (overlayfs), and what is written anew in place */
	char script[SCRIPT_SIZE];
};

enum path_end { PATH_CUT, PATH_ROOT, PATH_NOWHERE };

struct hello_file_event {
	int pid;
	int uid;
	char command[TASK_COMM_LEN];
	struct hello_file file;
	/* Of the file or, for a script, of the folder: names up to the root, each with its end. */
	__u32 end;
	__u32 used;
	__u8 names[PATH_SIZE];
};

struct {
	__uint(type, BPF_MAP_TYPE_BLOOM_FILTER);
	__uint(max_entries, 10240);
	__uint(map_extra, 5); /* hash functions */
	__type(value, struct hello_file);
} known SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} events SEC(".maps");

/*
 * The event while it is made, one a CPU: a program is not run twice at once on
 * one. Not on the stack: it is large, and kernel 7 takes a bloom filter's peek
 * for one that writes its value, and forgets what the stack held.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct hello_file_event);
} making SEC(".maps");

/* What is being added to them at this moment: of two processors that execute a file at once, one tells of it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct hello_file);
	__type(value, __u32);
} adding SEC(".maps");

struct hello_caller {
	char command[TASK_COMM_LEN];
};

/* By thread. Of one that only got another name, or whose program did not start in the end, it makes room by itself. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 10240);
	__type(key, __u32);
	__type(value, struct hello_caller);
} callers SEC(".maps");

/* A function of its own, so that its BTF carries struct hello_file_event. */
static __noinline int describe(struct hello_file_event *event)
{
	event->pid = bpf_get_current_pid_tgid() >> 32;
	event->uid = bpf_get_current_uid_gid() & 0xFFFFFFFF;
	return 0;
}

/* As the kernel's own prepend_path (fs/d_path.c). */
static __always_inline void name_path(struct hello_file_event *event, struct dentry *dentry, struct vfsmount *vfsmount)
{
	struct mount *mount = (void *)vfsmount - bpf_core_field_offset(struct mount, mnt);
	struct dentry *parent;
	__u32 used = 0;
	long length;
	int i;

	event->end = PATH_CUT;
	for (i = 0; i < MOST_STEPS; i++) {
		if (dentry == BPF_CORE_READ(mount, mnt.mnt_root)) {
			struct mount *above = BPF_CORE_READ(mount, mnt_parent);

			if (above == mount) {
				event->end = PATH_ROOT;
				break;
			}
			dentry = BPF_CORE_READ(mount, mnt_mountpoint);
			mount = above;
			continue;
		}
		parent = BPF_CORE_READ(dentry, d_parent);
		if (used > PATH_SIZE - NAME_SIZE)
			break;
		length = bpf_probe_read_kernel_str(&event->names[used], NAME_SIZE, BPF_CORE_READ(dentry, d_name.name));
		if (length <= 0 || length > NAME_SIZE)
			break;
		used += length;
		if (parent == dentry) {
			event->end = PATH_NOWHERE; /* such as a memfd */
			break;
		}
		dentry = parent;
	}
	event->used = used;
}

static __always_inline __u64 in_ns(struct timespec64 time)
{
	return time.tv_sec * 1000000000ULL + time.tv_nsec;
}

/* When its content was written last. */
static __always_inline __u64 written(struct inode *inode)
{
	struct inode___before_6_11 *before_6_11 = (void *)inode;
	struct inode___before_6_7 *before_6_7 = (void *)inode;

	if (bpf_core_field_exists(inode->i_mtime_sec))
		return BPF_CORE_READ(inode, i_mtime_sec) * 1000000000ULL + BPF_CORE_READ(inode, i_mtime_nsec);
	if (bpf_core_field_exists(before_6_11->__i_mtime))
		return in_ns(BPF_CORE_READ(before_6_11, __i_mtime));
	return in_ns(BPF_CORE_READ(before_6_7, i_mtime));
}

static __always_inline bool identify(struct hello_file_event *event, struct linux_binprm *bprm)
{
	struct hello_file *file = &event->file;
	struct task_struct *task = (void *)bpf_get_current_task();
	const char *name = BPF_CORE_READ(bprm, filename);
	struct vfsmount *mount = BPF_CORE_READ(bprm, file, f_path.mnt);
	struct dentry *dentry = BPF_CORE_READ(bprm, file, f_path.dentry);
	struct inode *inode;
	bool is_script = false;

	/* What is behind the end is zero, so that one file is always the same bytes. */
	__builtin_memset(file, 0, sizeof(*file));
	event->used = 0;
	event->end = PATH_ROOT;
	if (name != BPF_CORE_READ(bprm, interp)) {
		if (bpf_probe_read_kernel_str(file->script, SCRIPT_SIZE, name) <= 0)
			return false;
		is_script = true;
		mount = BPF_CORE_READ(task, fs, pwd.mnt);
		dentry = file->script[0] == '/' ? BPF_CORE_READ(task, fs, root.dentry) : BPF_CORE_READ(task, fs, pwd.dentry);
	}
	inode = BPF_CORE_READ(dentry, d_inode);
	file->number = BPF_CORE_READ(inode, i_ino);
	file->device = BPF_CORE_READ(inode, i_sb, s_dev);
	file->generation = BPF_CORE_READ(inode, i_generation);
	if (!is_script)
		file->written = written(inode);
	if (file->script[0] != '/')
		name_path(event, dentry, mount);
	return true;
}

/*
 * TP_PROTO(struct task_struct *task, const char *comm) of
 * include/trace/events/task.h: the task is about to be called after the new
 * program (begin_new_exec), under the process's number and still as its old
 * user. Of the renamings the last one before the new program is there is that.
 */
SEC("raw_tracepoint/task_rename") int on_rename(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	__u32 thread = bpf_get_current_pid_tgid();
	struct hello_caller caller = {};

	if ((void *)ctx->args[0] != task)
		return 0;
	if (!matches()) {
		bpf_map_delete_elem(&callers, &thread); /* of a program that did not start */
		return 0;
	}
	bpf_get_current_comm(&caller.command, sizeof(caller.command));
	bpf_map_update_elem(&callers, &thread, &caller, BPF_ANY);
	return 0;
}

/* The account of this CPU where the file is new; then it is not any more. */
static __always_inline struct hello_account *add(struct hello_file *file)
{
	struct hello_account *account = 0;
	__u32 here = 1;

	if (!bpf_map_peek_elem(&known, file) || bpf_map_update_elem(&adding, file, &here, BPF_NOEXIST) == -EEXIST)
		return 0;
	if (bpf_map_peek_elem(&known, file)) /* still, after whoever was adding it before */
		account = produce_matched();
	if (account)
		bpf_map_push_elem(&known, file, BPF_ANY);
	bpf_map_delete_elem(&adding, file);
	return account;
}

/* TP_PROTO(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm) of include/trace/events/sched.h */
SEC("raw_tracepoint/sched_process_exec") int on_exec(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 key = 0, thread = bpf_get_current_pid_tgid();
	struct hello_file_event *event = bpf_map_lookup_elem(&making, &key);
	struct hello_caller *caller = bpf_map_lookup_elem(&callers, &thread);
	struct hello_account *account;

	if (!event || !caller)
		return 0;
	__builtin_memcpy(event->command, caller->command, sizeof(event->command));
	bpf_map_delete_elem(&callers, &thread);
	if (!identify(event, (void *)ctx->args[2]))
		return 0;
	account = add(&event->file);
	if (!account)
		return 0;
	describe(event);
	if (bpf_ringbuf_output(&events, event, sizeof(*event), 0))
		lose(account);
	return 0;
}
