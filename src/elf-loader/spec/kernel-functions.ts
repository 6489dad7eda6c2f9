/**
 * The kernel that brought a function for programs (BTF_KFUNCS_START in the kernel's sources), of those that programs call
 * most. Data for messages; nothing is decided by it.
 */

import { essentialName } from "../btf/names.ts";

/** By version, names without `bpf_`. */
const BROUGHT: readonly (readonly [version: string, names: string])[] = [
  ["5.18", "xdp_ct_lookup skb_ct_lookup ct_release"],
  ["6.0", "xdp_ct_alloc skb_ct_alloc ct_insert_entry ct_change_timeout ct_change_status"],
  ["6.1", "lookup_user_key lookup_system_key key_put verify_pkcs7_signature"],
  [
    "6.2",
    "obj_new_impl obj_drop_impl list_pop_front list_pop_back task_acquire task_release task_from_pid cgroup_acquire cgroup_release cgroup_ancestor rcu_read_lock rcu_read_unlock cast_to_kern_ctx rdonly_cast",
  ],
  [
    "6.3",
    "rbtree_remove rbtree_first cpumask_create cpumask_acquire cpumask_release cpumask_set_cpu cpumask_clear_cpu cpumask_test_cpu cpumask_first cpumask_first_zero cpumask_and cpumask_or cpumask_any_distribute xdp_metadata_rx_timestamp xdp_metadata_rx_hash",
  ],
  [
    "6.4",
    "dynptr_from_skb dynptr_from_xdp dynptr_slice dynptr_slice_rdwr iter_num_new iter_num_next iter_num_destroy rbtree_add_impl list_push_front_impl list_push_back_impl refcount_acquire_impl cgroup_from_id",
  ],
  [
    "6.5",
    "dynptr_adjust dynptr_is_null dynptr_is_rdonly dynptr_size dynptr_clone task_under_cgroup cpumask_first_and sock_destroy",
  ],
  ["6.6", "map_sum_elem_count sock_addr_set_sun_path"],
  [
    "6.7",
    "throw iter_task_new iter_task_next iter_task_destroy iter_task_vma_new iter_css_new iter_css_task_new percpu_obj_new_impl percpu_obj_drop_impl task_get_cgroup1",
  ],
  ["6.8", "get_file_xattr cpumask_weight xdp_metadata_rx_vlan_tag xdp_get_xfrm_state"],
  ["6.9", "arena_alloc_pages arena_free_pages sk_assign_tcp_reqsk"],
  [
    "6.10",
    "wq_init wq_start wq_set_callback_impl preempt_disable preempt_enable crypto_ctx_create crypto_encrypt crypto_decrypt session_is_return session_cookie",
  ],
  ["6.11", "iter_bits_new iter_bits_next iter_bits_destroy xdp_flow_lookup get_dentry_xattr xdp_flow_lookup"],
  ["6.12", "copy_from_user_str get_task_exe_file put_file path_d_path"],
  ["6.14", "local_irq_save local_irq_restore get_kmem_cache iter_kmem_cache_new task_from_vpid"],
  ["6.15", "res_spin_lock res_spin_unlock copy_from_user_task_str dynptr_copy set_dentry_xattr remove_dentry_xattr"],
  [
    "6.16",
    "iter_dmabuf_new probe_read_user_dynptr dynptr_memset rbtree_root rbtree_left rbtree_right list_front list_back",
  ],
  ["6.17", "strcmp strlen strnlen strchr strstr strnstr cgroup_read_xattr"],
  ["6.18", "strcasecmp dynptr_from_skb_meta"],
];

/** By name. */
export const FUNCTION_SINCE: ReadonlyMap<string, string> = new Map(
  BROUGHT.flatMap(([version, names]) => names.split(" ").map((name) => [`bpf_${name}`, version] as const)),
);

/** The kernel that brought a function, whose name may have a flavor; undefined of those that are not listed. */
export const functionSince = (name: string): string | undefined => FUNCTION_SINCE.get(essentialName(name));
