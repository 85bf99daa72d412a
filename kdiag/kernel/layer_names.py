"""Which layer of the kernel a function belongs to, by its name: the table behind :mod:`kdiag.kernel.layers`.

A word that ends in ``*`` is the beginning of names, any other is a whole name; the longest match counts, and
leading underscores and the compiler's and the allocator's endings (``.isra.0``, ``_noprof``) do not, unless
the word has underscores itself. Sources: the kernel's own folders (``fs/``, ``mm/``, ``block/``, ``net/``,
``kernel/sched/`` ...), 5.10 to 7.2, and the functions of recorded traces. Where the beginning of a name says
nothing (``read_pages``, ``complete``), the name is listed whole.
"""

from typing import Mapping

__all__ = ["BY_MODULE", "BY_NAME"]

#: ``layer`` or ``layer part`` -> words.
BY_NAME: Mapping[str, str] = {
    "block": """
        bd_* bdev_* bfq_* bio_* blk_* blkcg_* blkdev_* blkg_* blkif_* block_bio* block_rq* bvec_*
        bvec_split_segs dd_* deadline_* disk_* elevator_* elv_* flush_end_io ioc_* iocg_* iolatency_*
        ioprio_* iov_iter_extract_bvecs kblockd_* kyber_* mq_deadline* part_* rq_depth_* rq_qos_*
        rq_wait_* sbitmap_* sbitmap_queue_* should_fail_bio submit_bio* submit_bio_noacct* throtl_*
        update_io_ticks wbt_*
    """,
    "block device mapper": "clone_bio crypt_map dec_pending dm_* linear_map map_request thin_map",
    "block software RAID": """
        handle_stripe make_stripe_request md_* mddev_* raid0_* raid10_* raid1_* raid5_* raid_*
    """,
    "checksums": """
        aes_* aesni_* chksum_* crc16* crc32* crc32c* crc_* crypto_* gcm_* ghash_* hmac_* inflate_* lz4_*
        lzo1x_* md5_* poly1305_* sha1_* sha256_* sha512_* shash_* skcipher_* xts_* xxh64* zlib_* ZSTD_*
        zstd_*
    """,
    "driver": """
        acpi_* ahci_* amd_iommu_* ata_* ath* bnx2* con_* cpufreq_* cpuidle_* dax_* detach_buf_split*
        device_* devm_* dma_* dmar_* do_con_write drm_* e1000* ehci_* ena_* evdev_* fb_* hid_* hv_* hvc_*
        i2c_* i40e_* i915_* ice_* input_* intel_* iommu_* ioread* iowrite* ixgbe_* ldsem_* led_* lo_*
        lo_rw_aio loop_* megasas_* mei_* mlx4_* mlx5_* mmc_* mmio_* mpt3sas_* msi_* n_tty_* nbd_*
        nd_pmem_* nouveau_* null_queue_rq nvidia_* nvkm_* nvme_* nvmem_* pci_* pcie_* phy_* platform_*
        pm_* pmem_* power_* qla2* r8169_* rtl8169_* scsi_* sd_* serial8250_* sg_ioctl sg_open sg_read
        sg_write snd_* sr_* swiotlb_* thermal_* tty_* tty_ldisc_* uart_* ucsi_* uhci_* usb_* usbhid_*
        vfio_* vgacon_* vhost_* virtblk_* virtio_* virtio_queue_rq* virtnet_* virtqueue_* virtscsi_* vp_*
        vring_* vt_* xen_* xenbus_* xhci_* zram_*
    """,
    "driver kvm": "kvm_* svm_* vcpu_* vmx_*",
    "driver memory devices": """
        read_iter_null read_iter_zero read_null read_zero write_iter_null write_null write_zero
    """,
    "driver random numbers": """
        chacha_* crng_* extract_entropy get_random_* mix_pool_bytes random_* urandom_*
        wait_for_random_bytes
    """,
    "entry": """
        arm64_compat_sys_* arm64_sys_* compat_sys_* do_compat_* do_el0_svc do_fast_syscall_32 do_int80_*
        do_sys_* do_syscall_64 el0_svc* el0t_64_sync* entry_* exit_to_user_mode* ia32_compat_sys_*
        ia32_sys_* ia32_sys_call invoke_syscall ksys_* ret_from_fork* ret_to_user riscv_sys_* s390_sys_*
        s390x_sys_* se_compat_sys_* se_sys_* sys_* syscall_* syscall_enter_from_user_mode*
        syscall_exit_to_user_mode* syscall_exit_work system_call* x32_sys_call x64_compat_sys_* x64_sys_*
        x64_sys_call
    """,
    "fs 9p": "p9_* v9fs_*",
    "fs autofs": "autofs_*",
    "fs btrfs": """
        btree_* btrfs_* extent_buffer_* extent_io_* extent_writepage* find_lock_delalloc_range
        free_extent_buffer* lock_extent* read_extent_buffer* run_delalloc_* submit_extent_*
        write_extent_buffer*
    """,
    "fs ceph": "ceph_*",
    "fs cifs": "cifs_* SMB2_* smb2_* smb3_*",
    "fs debugfs": "debugfs_*",
    "fs devpts": "devpts_*",
    "fs encryption": "fscrypt_* fsverity_*",
    "fs erofs": "erofs_* z_erofs_*",
    "fs ext4": """
        call_filldir check_block_validity count_rsvd do_split dx_probe es_* es_insert_extent
        es_remove_extent es_tree_search ext2_* ext3_* ext4_* find_inode_goal free_rb_tree_fname
        htree_dirblock_to_tree mb_* mb_find_* read_extent_tree_block
    """,
    "fs f2fs": "f2fs_*",
    "fs fat": "exfat_* fat_* msdos_* vfat_*",
    "fs fuse": "fuse_* virtio_fs_*",
    "fs gfs2": "gdlm_* gfs2_*",
    "fs hugetlbfs": "hugetlbfs_*",
    "fs iomap": "iomap_*",
    "fs isofs": "isofs_*",
    "fs jbd2": """
        add_transaction_credits do_get_write_access find_revoke_record jbd2_* journal_*
        journal_end_buffer_io_sync kjournald2 start_this_handle stop_this_handle wait_transaction_locked
    """,
    "fs kernfs": "kernfs_* kf_* sysfs_*",
    "fs nfs": "lockd_* nfs3_* nfs41_* nfs4_* nfs_* nfsd_* nlm_* nlmclnt_* nlmsvc_*",
    "fs overlay": "ovl_*",
    "fs proc": """
        close_pdeo meminfo_* pid_revalidate proc_* show_interrupts show_map* show_smap* show_stat smaps_*
        tid_fd_*
    """,
    "fs pstore": "pstore_*",
    "fs quota": "dquot_* qtree_* quota_* v2_read_dquot v2_read_file_info v2_write_dquot",
    "fs ramfs": "ramfs_*",
    "fs squashfs": "squashfs_*",
    "fs tmpfs": "shm_get_* shmem_* tmpfs_* vma_is_shmem",
    "fs tracefs": "eventfs_* tracefs_*",
    "fs udf": "udf_*",
    "fs xfs": "xchk_* xfs_* xfs_trans_* xfsaild* xlog_* xrep_*",
    "fs zfs": "arc_* dbuf_* dmu_* dnode_* spa_* vdev_* zfs_* zil_* zio_* zpl_*",
    "interrupts": """
        add_interrupt_randomness add_timer* alarm_* alarmtimer_* apic_* asm_common_interrupt asm_sysvec_*
        calc_wheel_index call_function_single_prep_ipi call_timer_fn clear_pending_if_disabled
        clockevents_* common_interrupt csd_* default_send_IPI* del_timer* detach_if_pending
        dl_server_timer do_idle do_IRQ do_setitimer do_softirq* do_timer do_timer_* enqueue_hrtimer
        enqueue_timer exc_* fast_mix flush_smp_call_function_queue generic_exec_single generic_handle_irq*
        generic_smp_call_function_single_interrupt get_jiffies_update get_next_timer_interrupt getnstime*
        gic_* handle_bad_irq handle_edge_irq handle_fasteoi_irq handle_IPI handle_irq* handle_level_irq
        handle_percpu_* handle_softirqs hpet_* hrtick* hrtimer* init_timer_key invoke_softirq ioapic_*
        ipi_* irq_* irq_complete_move irqd_* irqentry_* jiffies64_* jiffies_* ktime_* kvm_clock_* lapic_*
        local_bh_* lock_hrtimer_base lock_timer_base mod_timer msecs_to_jiffies native_apic_*
        native_send_call_func_* native_smp_send_reschedule nmi_* note_interrupt ns_to_timespec64 ntp_*
        on_each_cpu_* posix_cpu_* posix_timer_* pvclock_* raise_softirq* raise_timer_softirq read_hpet
        read_persistent_* read_tsc remove_hrtimer reschedule_interrupt round_jiffies* run_hrtimer_softirq
        run_ksoftirqd run_local_timers run_posix_cpu_timers run_timer_base run_timer_softirq run_timers
        set_normalized_timespec64 smp_* smp_call_function* softirq_* sysvec_* tasklet_* tick_*
        tick_do_update_jiffies64 timekeeping_* timer_* timer_interrupt timerqueue_* tmigr_*
        trigger_dyntick_cpu try_to_del_timer_sync tsc_* update_process_times update_vsyscall
        update_wall_time usecs_to_jiffies vector_* watchdog_* x2apic_*
    """,
    "io_uring": """
        io_alloc_* io_complete_* io_cqring_* io_file_* io_free_* io_init_* io_issue_sqe io_poll_*
        io_prep_* io_queue_* io_read io_req_* io_run_* io_rw_* io_sq_* io_submit_sqe* io_uring_*
        io_worker_* io_wq_* io_write
    """,
    "library": """
        atomic_notifier_* bitmap_* blocking_notifier_* bsearch cpumask_* find_first_* find_last_*
        find_next_* format_decode full_name_hash hashlen_string hex_to_bin ida_* idr_* interval_tree_*
        jhash kfifo_* kobject_* kref_* kstrto* llist_* lockref_get_not_* match_token memcmp memcpy*
        memmove memparse memset* notifier_call_chain number percpu_counter_* percpu_ref_* pointer_string
        printk* pt_regs_offset put_dec* radix_tree_* raw_notifier_call_chain rb_erase* rb_first
        rb_insert_color* rb_next rb_prev refcount_* rhashtable_* scnprintf sg_* simple_strto* siphash_*
        snprintf sort sort_r* sprintf strcmp strcpy* string_escape_* strlcpy strlen* strncmp strncpy
        strnlen strscpy* uuid_* vprintk* vscnprintf vsnprintf xa_* xas_*
    """,
    "locking": """
        atomic_dec_and_* bit_spin_* console_lock console_trylock console_unlock console_unlock*
        debug_mutex_* down down_* down_interruptible down_read* down_trylock down_write* kvm_kick_cpu
        ldsem_down_* ldsem_up_* lg_* lock_sock_* lockref_* mutex_* native_queued_spin_lock* osq_*
        percpu_down_* percpu_rwsem_* percpu_up_* pv_queued_spin_* queued_read_lock* queued_spin_*
        queued_write_lock* raw_callee_save___pv_* raw_read_* raw_spin_* raw_write_* rt_mutex_* rt_read_*
        rt_spin_* rt_write_* rwbase_* rwsem_* seqcount_* spin_* up up_* up_read up_write ww_mutex_*
    """,
    "locking RCU": """
        call_rcu* cblist_* cond_synchronize_rcu context_tracking_* ct_* dyntick_* invoke_rcu_core
        kfree_call_rcu* kvfree_call_rcu kvfree_rcu_* note_gp_changes rcu_* srcu_* start_poll_synchronize_*
        sync_rcu_* synchronize_rcu* synchronize_srcu* wakeme_after_rcu
    """,
    "memory": """
        account_kernel_stack account_obj_stock alloc_contig_* alloc_from_new_slab alloc_frozen_pages*
        alloc_pages* alloc_set_pte alloc_slab_obj_exts alloc_zeroed_user_highpage* allocate_slab
        anon_vma_* arch_get_unmapped_area* asm_exc_page_fault bad_area* bad_area_nosemaphore balance_pgdat
        barn_* brk_* change_protection* change_pte_range charge_memcg clear_huge_page clear_page*
        clear_user* clear_user_rep_good collapse_* commit_charge commit_merge compact_* compaction_*
        copy_from_kernel_nofault* copy_from_user* copy_iovec_* copy_mc_* copy_page* copy_pte_range
        copy_to_user* copy_user_* copyin copyout count_memcg_* cpu_slab_* create_init_stack_vma
        deactivate_slab default_get_unmapped_area dequeue_huge_* discard_slab do_anonymous_page do_brk*
        do_cow_fault do_exc_page_fault do_fault* do_huge_pmd_* do_madvise do_mem_abort do_mlock do_mmap
        do_mprotect* do_munmap do_numa_page do_page_fault do_pte_missing do_read_fault do_shared_fault
        do_swap_page do_translation_fault do_user_addr_fault do_vmi_* do_wp_page drain_* el0_da el1_abort
        ex_handler_* exc_page_fault exit_mmap expand_downwards expand_stack* extract_iter_* fast_gup*
        fault_dirty_* fault_in_* find_extend_vma* find_mergeable_anon_vma find_vma* finish_fault
        finish_mkwrite_fault fixup_exception flush_all_* flush_tlb_* folio_* folio_alloc* folio_batch_*
        folio_lruvec_* folio_referenced* folio_remove_* folios_* free_frozen_* free_pages* free_percpu
        free_pgd_* free_pgtables free_slab free_swap_* free_unref_* get_free_pages get_gate_vma
        get_page_from_freelist get_partial_* get_unmapped_area get_user_* get_user_pages* gup_*
        handle_mm_fault handle_pte_fault handle_userfault huge_* hugepage_* hugetlb_* ima_mm_*
        import_iovec* import_single_range import_ubuf insert_vm_struct install_special_mapping
        internal_get_user_pages_fast iov_iter_* isolate_* kasan_* kcompactd* kernelmode_fixup_or_oops
        kfree* khugepaged* kmalloc* kmem_cache_* kmemdup* kmemleak_* kmsan_* krealloc* ksm_* kstrdup*
        kswapd* kvfree* kvmalloc* kzalloc* list_lru_* lock_mm_and_find_vma lock_vma_under_rcu lru_*
        lru_add_drain* lru_cache_* lruvec_* madvise_* map_vdso* mapping_* mas_* mem_cgroup_* memcg1_*
        memcg_* memory_* mempool_* migrate_folio* migrate_page_* migrate_pages mincore_* mlock_* mm_*
        mm_init mmap_* mmap_region mmdrop mmput* mmu_* mod_lruvec_* mod_memcg_* mod_node_page_state
        mod_objcg_* mod_zone_page_state move_page_tables move_pgt_entry mpol_* mprotect_* mremap_* mt_*
        munlock_* native_flush_tlb_* native_set_pte* new_slab node_page_state* node_reclaim numa_* obj_*
        obj_cgroup_* oom_* out_of_memory p4d_* page_add_* page_counter_* page_frag_* page_mapping
        page_remove_* page_vma_* pagefault_* pagetable_* pagevec_* pcp_* pcpu_* pcpu_alloc* pcs_* pgd_*
        pin_user_pages* pmd_* pte_* pte_alloc_* ptep_* pud_* put_anon_vma put_cpu_partial put_pages_*
        pvm_* quiet_vmstat refill_* refill_objects refill_stock refresh_cpu_vm_stats release_pages
        relocate_vma_down remove_migration_* remove_vm_area remove_vma rep_movs* rep_stos* rmap_* rmqueue*
        search_exception_tables search_extable set_pte* set_pte_range setup_object* shrink_* slab_*
        slab_alloc slab_free* slub_* spf_* split_huge_* split_vma* strncpy_from_user strnlen_user swap_*
        swapcache_* swapin_* swp_* sync_mm_rss task_mem thp_* tlb_* try_charge* try_to_compact_pages
        try_to_free_pages try_to_migrate* try_to_unmap* uncharge_* unlink_anon_vmas unlink_file_vma*
        unmap_* unmap_page_range unmap_region unmap_vmas update_mmu_* upgrade_mmap_lock* userfaultfd_*
        vfree* vm_area_* vm_brk* vm_mmap* vm_munmap vm_normal_* vm_stat_* vm_unmapped_area vma_*
        vma_is_anon_shmem vmacache_* vmalloc* vmap* vmf_anon_prepare vms_* vunmap* wp_page_* zap_* zone_*
        zs_* zswap_*
    """,
    "network": """
        addrconf_* af_alg_* alloc_skb* arp_* autoremove_sock bond_* bpf_prog_run_clear_cb br_* build_skb*
        call_transmit* cipso_* consume_skb* cookie_v4_* csum_* ctnetlink_* datagram_* dev_get_by_*
        dev_gro_receive dev_hard_start_xmit dev_loopback_xmit dev_queue_xmit* do_accept do_recvmmsg
        do_sock_getsockopt do_sock_setsockopt do_tcp_* dst_* ebt_* enqueue_to_backlog eth_* ether_*
        ethtool_* fib6_* fib_* fou_* fq_* fq_codel_* geneve_* genl_* get_random_port gro_* icmp6_* icmp_*
        icmpv6_* igmp_* inet6_* inet_* inet_csk_* ip4_* ip6_* ip6t_* ip_* ipcomp_* ipmr_* ipt_* iptable_*
        ipv4_* ipv6_* ipvlan_* kernel_accept kernel_connect kernel_recvmsg* kernel_sendmsg* kfree_skb*
        l2tp_* lock_sock* loopback_* macvlan_* mld_* move_addr_to_* mptcp_* mqueue_enqueue napi_* ndisc_*
        neigh_* net_* net_rx_action net_tx_action netdev_* netif_* netlbl_* netlink_* nf_* nfnetlink_*
        nfnl_* nft_* nla_* noqueue_* packet_* pfifo_* ping_* process_backlog pskb_* qdisc_* raw6_*
        raw_recvmsg raw_sendmsg release_sock* reuseport_* rpc_* rps_* rt6_* rt_* rtnetlink_* rtnl_* sch_*
        sch_direct_xmit sctp_* secure_tcp_* sk_* skb_* sock_* sockfd_lookup* sockfs_* splice_to_socket
        stream_* sunrpc_* svc_* svcauth_* __sys_accept4 __sys_accept4_file __sys_bind __sys_bind_socket
        __sys_connect __sys_connect_file __sys_getpeername __sys_getsockname __sys_getsockopt __sys_listen
        __sys_listen_socket __sys_recvfrom __sys_recvmmsg ____sys_recvmsg ___sys_recvmsg __sys_recvmsg
        __sys_sendmmsg ____sys_sendmsg ___sys_sendmsg __sys_sendmsg __sys_sendto __sys_setsockopt
        __sys_shutdown __sys_shutdown_sock __sys_socket __sys_socketpair tap_* tc_* tcf_* tcp4_* tcp6_*
        tcp_* tls_* tpacket_* tun_* udp4_* udp6_* udp_* udplite_* udpv6_* unix_* unregister_netdevice*
        validate_xmit_* veth_* virtio_transport_* vlan_* vsock_* vxlan_* wg_* xdp_* xfrm4_* xfrm6_* xfrm_*
        xmit_* xprt_* xs_* xsk_*
    """,
    "page cache": """
        add_to_page_cache* alloc_buffer_head balance_dirty_* balance_dirty_pages* bdev_getblk bdi_* bh_*
        bh_submit_* block_commit_write block_dirty_* block_invalidate_* block_page_mkwrite
        block_read_full_* block_write_* bread* brelse buffer_* cancel_dirty_page cont_write_begin
        create_empty_buffers delete_from_page_cache* dirty_* do_page_cache_ra do_writepages
        domain_dirty_limits end_bio_bh_io_sync end_buffer_* ext4_mpage_readpages_end file_ra_state_init
        file_write_and_wait* filemap_* filler_* find_get_block* find_get_entries find_get_entry
        find_get_pages* find_lock_entries find_lock_page* folio_account_* folio_activate folio_add_lru*
        folio_alloc_buffers folio_batch_move_lru folio_clear_dirty_for_io folio_create_* folio_end_read
        folio_end_writeback folio_mapping folio_mark_accessed folio_mark_dirty* folio_redirty_*
        folio_start_writeback folio_unlock folio_wait_* force_page_cache_* free_buffer_head
        generic_fadvise generic_file_buffered_read* generic_file_direct_write generic_file_read_iter
        generic_file_write_iter generic_perform_write generic_write_checks* generic_write_end
        generic_writepages getblk* grab_cache_page* grow_dev_* inode_io_list_* inode_switch_* inode_to_bdi
        invalidate_bh_* invalidate_inode_pages* invalidate_mapping_* ll_rw_block lock_buffer
        locked_inode_to_wb_* lru_add lru_add_fn mapping_read_folio* mapping_try_invalidate mark_buffer_*
        mark_inode_dirty* mark_page_accessed move_expired_inodes mpage_* mpage_end_io next_uptodate_folio
        noop_dirty_folio ondemand_readahead page_cache_* page_cache_ra_* pagecache_* queue_io
        ra_alloc_folio read_cache_folio read_cache_page* read_end_io read_pages readahead_* requeue_io
        set_page_dirty* submit_bh* sync_bdevs sync_blockdev* sync_dirty_buffer sync_file_range
        sync_filesystem sync_inode* sync_inodes_* tag_pages_for_writeback test_set_page_writeback
        touch_buffer truncate_* truncate_inode_* try_to_free_buffers unlock_buffer unlock_page
        wait_on_buffer wait_on_page_* wait_sb_inodes wakeup_flusher_* wb_* wbc_* workingset_*
        write_cache_pages write_dirty_buffer write_inode write_inode_now writeback_* writeback_sb_inodes
        writepage* xa_get_order
    """,
    "process": """
        account_user_time acct_* alloc_bprm alloc_pid arch_do_signal* arch_dup_task_struct arch_prctl*
        arch_ptrace attach_pid begin_new_exec bprm_* cgroup_* cgroup_rstat_* cn_proc_* collect_signal
        commit_creds compat_setup_rt_* copy_creds copy_files copy_fs_struct copy_ipcs copy_mm copy_mnt_ns
        copy_namespaces copy_net_ns copy_pid_ns copy_process copy_sighand copy_siginfo* copy_signal
        copy_string_kernel copy_strings* copy_thread* copy_time_ns copy_utsname count_strings*
        create_elf_tables create_new_namespaces cred_* css_* dec_rlimit_* delayacct_* delayed_free_task
        delayed_put_pid delayed_put_task_struct dequeue_signal detach_pid do_arch_prctl_* do_coredump
        do_execve* do_exit do_fork do_group_exit do_mq_* do_msg* do_notify_* do_prlimit do_semtimedop
        do_send_sig_* do_send_specific do_shmat do_sigaction do_signal* do_sigtimedwait do_task_dead
        do_tkill do_wait* dup_fd dup_mm dup_mmap dup_task_struct dup_userfaultfd* elf_* exec_* exec_binprm
        exec_mmap exit_* exit_files exit_fs exit_itimers exit_notify exit_signals find_get_task_by_vpid
        find_task_* find_vpid flush_old_exec flush_signals flush_sigqueue* force_sig* fork_* free_bprm
        free_nsproxy free_pid free_task futex_cleanup* futex_exit_* futex_mm_* get_arg_page get_signal
        get_task_* get_user_ns getcpu* getrusage group_send_sig_info handle_signal inc_rlimit_* init_pid*
        ipc_* kcov_* kernel_clone kernel_execve kernel_wait* kill_* kstrdup_quotable_* load_elf_*
        load_misc_* load_script mm_release mm_update_next_owner mq_* msg_* nsproxy_* open_exec
        override_creds perf_event_exit_* pid_* pidfd_* pidfs_* prctl_* prepare_binprm* prepare_creds
        prepare_exec_creds prepare_signal proc_exit_connector proc_fork_connector process_* ptrace_*
        put_cred* put_files_struct put_pid* put_task_* recalc_sigpending* release_task restore_altstack
        restore_sigcontext retarget_shared_pending revert_creds rlimit_* rseq_* search_binary_handler
        seccomp_filter_release sem_* semctl_* send_sig* send_signal* set_cred* set_current_blocked
        set_special_pids set_task_* set_user_sigmask setup_arg_pages setup_new_exec setup_rt_frame
        setup_signal* shm_* sighand_* signal_* signal_setup_done signal_wake_up* sigprocmask sigqueue_*
        switch_task_namespaces task_work_* taskstats_* tgid_* thread_group_* times_* unshare_*
        uprobe_free_* user_* wait_consider_task wait_task_* wants_signal zap_other_threads
    """,
    "scheduler": """
        account_* account_process_tick acpi_idle_* activate_task add_wait_queue* arch_cpu_idle*
        arch_scale_* attach_entity_* autoremove_wake_function avg_vruntime* balance_* bit_wait*
        calc_global_load* calc_load_* cfs_* check_preempt_* child_wait_callback choose_idle_cpu
        choose_new_asid cleanup_entities_* clear_delayed common_nsleep* complete complete_all
        complete_with_flags completion_* cond_resched* context_switch cpu_cgroup_* cpu_idle*
        cpu_startup_entry cpu_stop* cpu_stopper_* cpu_util* cpuacct_* cpuidle_enter* cpuset_*
        deactivate_task default_enter_idle default_idle* default_wake_function delayed_work_timer_fn
        dequeue_* destroy_sched_* detach_task* dl_* dl_server_* do_futex do_nanosleep do_sched_yield
        do_set_cpus_allowed do_wait_intr* effective_cpu_util enqueue_dl_* enqueue_entity enqueue_task*
        entity_* entry_idle find_busiest_* find_idlest_* finish_swait finish_task_switch finish_wait
        flush_work* fpu_* freezer_* futex_* get_futex_* housekeeping_* hrtick_start* hrtimer_nanosleep*
        hrtimer_sleeper* idle_cpu* init_dl_entity init_wait_* insert_work intel_idle* io_schedule*
        kick_pool kthread kthread_* load_balance* mark_wake_futex might_resched migrate_disable*
        migrate_enable migrate_task* migration_* mod_delayed_work_on move_linked_works mwait_*
        nanosleep_copyout native_sched_clock native_switch_* need_active_balance newidle_* nohz_*
        normal_work* out_of_line_wait_on_bit pick_* place_entity plist_* poll_idle preempt_*
        preempt_schedule* prepare_task_switch prepare_to_swait* prepare_to_wait* process_one_work
        process_scheduled_works process_timeout propagate_* proxy_* psi_* pull_* push_* put_prev_*
        pv_native_safe_halt pwq_* queue_delayed_work* queue_work* raw_spin_rq_* rebalance_* record_times
        remove_wait_queue resched_* rest_init restore_fpregs* reweight_* rq_clock* rt_rq_* rto_*
        run_rebalance_domains rwsem_mark_wake save_fpregs_* save_fpu* sched_* sched_balance_* schedule*
        schedule_* schedule_hrtimeout* schedule_timeout* scx_* select_fallback_rq select_idle_*
        select_task_rq* set_cpus_allowed* set_next_* set_task_cpu smpboot_thread_fn start_dl_timer sugov_*
        swait_* swake_* switch_fpu_* switch_mm* switch_to* task_* task_non_contending task_tick_* tg_*
        thread_group_sched_* throttle_* try_to_block_task try_to_grab_pending try_to_wake_up ttwu_*
        unqueue_me unthrottle_* update_blocked_averages update_cfs_* update_curr* update_deadline
        update_dl_* update_group_capacity update_idle_* update_load_avg* update_min_vruntime
        update_newidle_cost update_other_load_avgs update_rq_clock* update_rt_* update_sd_* update_se
        update_stack_state util_est_* vruntime_* vtime_* wait_* wait_for_* wait_for_completion*
        wait_on_bit* wait_woken wake_* wake_affine wake_up_* wakeup_preempt* woken_wake_function work_*
        worker_* workqueue_* yield yield_*
    """,
    "security": """
        aa_* apparmor_* audit_* avc_* avtab_* bpf_lsm_* cap_* cap_capable* capable capable_*
        common_file_perm common_perm* creds_* current_check_* current_check_access_* devcgroup_* evm_*
        file_has_perm file_map_prot_check file_ns_capable get_vfs_caps_* has_capability*
        has_ns_capability* hook_* ima_* inode_doinit_* inode_has_perm integrity_* ipe_*
        is_access_to_paths_allowed key_* keyctl_* keyring_* landlock_* loadpin_* lockdown_*
        lookup_user_key lsm_* match_exception match_exception_partial may_create ns_capable*
        populate_seccomp_data privileged_wrt_inode_uidgid profile_onexec profile_transition
        ptracer_capable request_key* safesetid_* search_process_keyrings* seccomp_* security_* sel_*
        selinux_* sidtab_* smack_* smk_* task_has_* tomoyo_* unmask_perms yama_*
    """,
    "tracing": """
        aggr_pre_handler amd_pmu_* arch_ftrace_* arch_stack_walk arch_uprobe_* array_map_* bpf_*
        bstr_printf btf_* copy_bpf_* do_trace_* event_trigger* fgraph_* filter_match_preds ftrace_*
        function_graph_* function_trace_* get_perf_callchain get_stack_info graph_* handle_swbp htab_*
        hw_breakpoint_* intel_pmu_* is_bpf_text_address is_ftrace_trampoline kernel_text_address klp_*
        kprobe_* kretprobe_* opt_pre_handler optimized_callback orc_* percpu_array_* perf_* perf_event_*
        perf_trace_* prepare_ftrace_return print_trace_* probestub_* rb_* remote_function rethook_*
        return_to_handler ring_buffer_* save_stack_trace* seq_buf_* stack_access_ok stack_map_*
        stack_trace_* syscall_trace_* trace_* trace_call_bpf trace_event_* traceiter_* tracing_* unwind_*
        unwind_next_frame uprobe_* uretprobe_* x86_pmu_*
    """,
    "vfs": """
        access_* aio_* alloc_empty_file* alloc_fd alloc_file* alloc_inode alloc_pipe_* anon_inode_*
        anon_pipe_* atime_needs_update attr_show bd_acquire bdev_open* build_open_flags build_open_how
        cdev_* char_* chown_* chrdev_open clone_mnt close_fd* compat_do_* compat_filldir* complete_walk
        copy_splice_* core_sys_select cp_new_stat cp_statx create_pipe_files current_time current_umask
        d_* d_alloc* d_lookup* d_splice_alias* dcache_* dcookie_* default_llseek delayed_fput
        delayed_mntput dentry_* destroy_inode dispose_list dnotify_* do_chmod* do_chown*
        do_clone_file_range do_close_on_exec do_dentry_open do_dup2 do_epoll_* do_eventfd do_faccessat
        do_fallocate do_fchmodat do_fchownat do_fcntl do_file_open* do_filp_open do_fsync do_getname
        do_getxattr do_handle_open do_io_getevents do_iopoll do_iter_* do_linkat do_lock_file_wait
        do_loop_* do_loop_readv_writev do_mkdir do_mkdirat do_mknodat do_mount do_move_mount do_new_mount
        do_o_path do_open do_open_execat do_pipe2 do_pipe_flags do_poll do_pollfd do_preadv do_pselect
        do_pwritev do_readlinkat do_readv do_renameat2 do_rmdir do_select do_sendfile do_setxattr
        do_shmem_file* do_signalfd4 do_splice* do_statx do_symlinkat do_sync_* do_sys_ftruncate
        do_sys_open do_sys_openat2 do_sys_poll do_sys_times do_sys_truncate do_tee do_timerfd_* do_tmpfile
        do_truncate do_unlinkat do_utimes do_vfs_ioctl do_writev dput dput_* dquot_file_open drop_nlink
        drop_super* dup_mnt* ep_* eventfd_* eventpoll_* evict evict_inodes expand_fdtable expand_files
        f_dupfd f_getown f_modown f_setown __f_unlock_pos fanotify_* fasync_* fcntl_* fd_* fd_install
        fdget* __fdget_pos fget* fiemap_* file_* file_accessed file_close_fd* file_modified* file_open*
        file_remove_privs* file_update_time* fileattr_* filename_* filename_getxattr files_*
        fill_mg_cmtime filldir* fillonedir filp_* find_inode* find_mount find_submount finish_open flock_*
        fput* free_fdtable* free_file free_inode* free_pipe_info fs_* fs_context_* fscontext_* fsnotify*
        generic_add_lease generic_atomic_write_valid generic_block_* generic_copy_file*
        generic_delete_inode generic_drop_inode generic_encode_ino32_fh generic_file_*
        generic_file_llseek* generic_file_mmap* generic_file_open generic_fillattr generic_permission
        generic_pipe_buf_* generic_read_dir generic_remap_* generic_setlease generic_shutdown_super
        generic_splice_* generic_update_time get_anon_bdev get_cached_acl* get_fs_* get_mountpoint
        get_next_ino get_pipe_info get_tree* get_unused_fd* getdents_callback getname* getxattr*
        grab_super handle_dots handle_lookup_down handle_mounts handle_truncate hashlen_* hide_*
        i_blocksize i_size_read i_size_write icache_* iget* igrab ihold ilookup* inc_nlink init_file
        inode_* inode_add_* inode_init_* inode_needs_* inode_newsize_ok inode_nohighmem
        inode_owner_or_capable inode_permission inode_sb_list_* inode_set_* inode_sub_* inode_update_*
        inotify_* insert_inode_* invalidate_inodes ioctl_* iput iput_final is_subdir
        iter_file_splice_write iterate_* kern_* kern_path* kern_select kern_unmount kernel_read*
        kernel_write* kill_anon_super kill_block_super kill_litter_super kiocb_* kmod_* ksys_dup3 lease_*
        leave_rcu legitimize_* legitimize_links legitimize_mnt legitimize_path libfs_* link_path_walk
        listxattr* lock_mount* lock_rename* locks_* lookup_* lookup_bdev lookup_fast lookup_mnt
        lookup_open lookup_slow make_vfsgid make_vfsuid may_* may_delete may_follow_link may_linkat
        may_lookup may_open memory_lseek memory_open misc_open mknod_* mnt_* mntget mntput* mount_*
        mount_bdev mount_capable mountinfo_* namespace_* nd_jump_* new_inode* new_sync_read new_sync_write
        no_seek_end_llseek nonseekable_open noop_* notify_change open_* open_flags open_last_lookups
        path_* path_get path_init path_lookupat path_openat path_parentat path_put path_to_nameidata
        path_umount pick_file pick_link pipe_* pipe_read pipe_wait_* pipe_write poll_* pollwait pollwake
        posix_acl_* posix_lock_* posix_test_lock prepend* prepend_path propagate_mnt push_pipe put_filp
        put_fs_context put_mnt_ns put_unused_fd putname readlink_* reconfigure_super release_dentry_*
        release_fd remove_arg_zero rename_* retain_dentry rw_* rw_verify_area sb_* select_*
        select_estimate_accuracy seq_* set_close_on_exec set_nlink set_root setattr_* setfl setxattr*
        sget* shrink_dcache* shrink_dentry* shrink_lock_dentry signalfd_* simple_* simple_getattr
        simple_lookup simple_read_from_buffer single_* splice_* statfs_* step_into* submount_* super_*
        super_cache_* super_lock* sync_fs* take_dentry_name_snapshot terminate_walk timerfd_*
        timestamp_truncate touch_atime trailing_symlink traverse try_lookup* try_to_unlazy* umount_*
        unlazy_* unlock_mount unlock_new_inode unlock_rename user_get_super user_path_* user_statfs
        verify_dirent_name vfs_* vfsgid_* vfsuid_* wait_on_inode walk_component warn_mandlock xattr_*
        zap_buffers zero_user_segments
    """,
}

#: Modules of one layer; a module that no row places is a layer of its own (``module``).
BY_MODULE: Mapping[str, str] = {
    "block": "bfq brd kyber_iosched loop mq_deadline nbd null_blk zram",
    "block device mapper": "dm_*",
    "block software RAID": "async_* faulty linear md_mod multipath raid0 raid1 raid10 raid456",
    "checksums": """
        aes_* aesni_intel crc* crct10dif_* cryptd crypto_* ghash_* libaes libcrc* libcrc32c libsha* lz4
        lz4_* lzo* poly1305_* sha1_* sha256_* sha512_* xor xxhash_generic zlib_* zstd zstd_*
    """,
    "driver": """
        aacraid ahci amd* ast ata_* ath* be2net bnx2 bnx2x bnxt_en cdc_* drm drm_* e1000 e1000e ehci_* ena
        fjes gve hid hid_* hpsa hv_* i2c_* i40e i915 iavf ice igb igbvf igc intel_* iwlwifi ixgbe ixgbevf
        libahci libata libsas lpfc megaraid_sas mlx4_* mlx5_* mpt3sas mxm_wmi nd_* nfit nouveau nvidia
        nvidia_* nvme nvme_* pata_* psmouse pvscsi qede qla2xxx r8169 scsi_* sd_mod ses sg smartpqi snd*
        sr_mod tg3 thunderbolt uas usb_* usb_storage usbcore usbhid vfio* vhost* virtio* vmd vmw_* vmxnet3
        xen_* xhci_*
    """,
    "driver kvm": "irqbypass kvm kvm_*",
    "fs 9p": "9p 9pnet 9pnet_*",
    "fs autofs": "autofs autofs4",
    "fs btrfs": "btrfs",
    "fs ceph": "ceph libceph",
    "fs cifs": "cifs cifs_* ksmbd smbdirect",
    "fs configfs": "binfmt_misc configfs efivarfs",
    "fs erofs": "erofs",
    "fs ext4": "ext2 ext3 ext4 mbcache",
    "fs f2fs": "f2fs",
    "fs fat": "exfat fat msdos nls_* vfat",
    "fs fuse": "cuse fuse virtiofs",
    "fs gfs2": "dlm gfs2 ocfs2*",
    "fs isofs": "cdrom isofs udf",
    "fs jbd2": "jbd jbd2",
    "fs nfs": "auth_rpcgss grace lockd nfs nfs_* nfsd nfsv2 nfsv3 nfsv4 rpcsec_gss_krb5",
    "fs ntfs3": "ntfs ntfs3",
    "fs overlay": "aufs overlay",
    "fs squashfs": "squashfs",
    "fs xfs": "xfs",
    "fs zfs": "icp spl zavl zcommon zfs zlua znvpair zunicode zzstd",
    "memory": "z3fold zbud zsmalloc zswap",
    "network": """
        8021q act_* af_alg af_packet arp_* bonding br_netfilter bridge cfg80211 cls_* dummy ebt* esp4 esp6
        garp geneve gre ifb inet_diag ip6* ip_* ipcomp ipip ipt_* iptable_* ipvlan ipvtap l2tp_* llc
        mac80211 macvlan macvtap mpls_* mrp netconsole nf_* nfnetlink* nft_* openvswitch psample raw_diag
        rds rxrpc sch_* sctp sit stp sunrpc tap tcp_* team tipc tls tun tunnel4 tunnel6 udp_* unix
        unix_diag veth vmw_vsock_* vsock vxlan wireguard x_tables xfrm_* xt_*
    """,
    "security": "apparmor encrypted_keys selinux trusted",
    "tracing": "bpf_* kprobe_* ring_buffer_benchmark",
}
