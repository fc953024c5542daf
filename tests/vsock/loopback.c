/* What only AF_VSOCK has: context IDs, ports that the kernel chooses or keeps, errors of a dial.
 * In the lab, as root. */
#include "tests/vsock/backing.h"
#include "tests/vsock/harness.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

/* No test runs elsewhere, however this program was started. */
static void lab_begin(void)
{
    if (backing_check(true) != 0)
        abort();
    harness_begin();
}

TestSuite(vsock_loopback, .init = lab_begin, .fini = harness_end);
TestSuite(vsock_loopback_context, .init = lab_begin, .fini = harness_end);
TestSuite(vsock_loopback_dial, .init = lab_begin, .fini = harness_end);

#define NOBODY 65534

static struct vsock_listener *const no_listener = (struct vsock_listener *)4711;
static struct vsock_conn *const no_conn = (struct vsock_conn *)4711;

static struct vsock_listener *listen_on(uint32_t cid, uint32_t port)
{
    struct vsock_listener *listener = NULL;
    int r = vsock_listen_cid(cid, port, NULL, &listener);
    cr_assert_eq(r, 0, "%s", strerror(-r));
    return listener;
}

/* Accepts what dials CID 1 and the listener's port. */
static void check_accepts(struct vsock_listener *listener)
{
    struct vsock_conn *pair[2];
    uint32_t port = vsock_listener_address(listener).port;
    int r = vsock_dial(VSOCK_CID_LOCAL, port, NULL, &pair[0]);

    cr_assert_eq(r, 0, "%s", strerror(-r));
    cr_assert_eq(vsock_listener_accept(listener, &pair[1]), 0);
    cr_expect_eq(vsock_conn_local_address(pair[1]).cid, VSOCK_CID_LOCAL);
    cr_expect_eq(vsock_conn_local_address(pair[1]).port, port);
    backing_pair_free(pair);
}

Test(vsock_loopback, the_kernel_chooses_a_port_and_it_is_told)
{
    static const uint32_t ports[] = {0, VSOCK_PORT_ANY};

    for (size_t i = 0; i < COUNT_OF(ports); i++) {
        struct vsock_listener *first = listen_on(VSOCK_CID_LOCAL, ports[i]);
        struct vsock_listener *second = listen_on(VSOCK_CID_LOCAL, ports[i]);
        uint32_t port = vsock_listener_address(first).port;
        cr_expect(port >= 1024 && port != VSOCK_PORT_ANY, "%u", port);
        cr_expect_neq(vsock_listener_address(second).port, port);
        check_accepts(first);
        check_accepts(second);
        vsock_listener_free(first);
        vsock_listener_free(second);
    }
}

Test(vsock_loopback, any_cid_is_also_the_local_one)
{
    struct vsock_listener *listener = listen_on(VSOCK_CID_ANY, 5000);
    cr_expect_eq(vsock_listener_address(listener).cid, VSOCK_CID_ANY);
    check_accepts(listener);
    vsock_listener_free(listener);
}

Test(vsock_loopback, listens_on_this_machines_context_id)
{
    struct vsock_listener *listener;
    uint32_t cid;

    cr_assert_eq(vsock_context_id(&cid), 0);
    cr_assert_eq(vsock_listen(5001, NULL, &listener), 0);
    cr_expect_eq(vsock_listener_address(listener).cid, cid);
    cr_expect_eq(vsock_listener_address(listener).port, 5001);
    check_accepts(listener);
    vsock_listener_free(listener);
    cr_assert_eq(vsock_listen(0, NULL, &listener), 0);
    cr_expect_geq(vsock_listener_address(listener).port, 1024);
    check_accepts(listener);
    vsock_listener_free(listener);
}

Test(vsock_loopback, a_cid_of_another_machine_is_refused)
{
    static const uint32_t cids[] = {VSOCK_CID_HYPERVISOR, VSOCK_CID_HOST, 3, 4711};

    for (size_t i = 0; i < COUNT_OF(cids); i++) {
        struct vsock_listener *listener = no_listener;
        cr_expect_eq(vsock_listen_cid(cids[i], 5002, NULL, &listener), -EADDRNOTAVAIL, "%u",
                     cids[i]);
        cr_expect_eq(listener, no_listener);
    }
}

Test(vsock_loopback, a_low_port_wants_a_privilege)
{
    struct vsock_listener *listener = no_listener;

    cr_assert_eq(seteuid(NOBODY), 0);
    int low = vsock_listen_cid(VSOCK_CID_LOCAL, 80, NULL, &listener);
    cr_expect_eq(low, -EACCES, "%d", low);
    cr_expect_eq(listener, no_listener);
    listener = listen_on(VSOCK_CID_LOCAL, 1024);
    vsock_listener_free(listener);
    cr_assert_eq(seteuid(0), 0);
    listener = listen_on(VSOCK_CID_LOCAL, 80);
    check_accepts(listener);
    vsock_listener_free(listener);
}

Test(vsock_loopback, a_full_backlog_refuses_at_once)
{
    struct vsock_listener *listener;
    struct vsock_conn *conns[8] = {NULL};
    struct vsock_listen_options options = {.backlog = 2};
    int r = 0;

    cr_assert_eq(vsock_listen_cid(VSOCK_CID_LOCAL, 5003, &options, &listener), 0);
    for (size_t i = 0; i < COUNT_OF(conns) && r == 0; i++)
        r = vsock_dial(VSOCK_CID_LOCAL, 5003, NULL, &conns[i]);
    cr_expect_eq(r, -ECONNRESET, "%d", r);
    for (size_t i = 0; i < COUNT_OF(conns); i++)
        vsock_conn_free(conns[i]);
    vsock_listener_free(listener);
}

Test(vsock_loopback_dial, a_cid_that_no_vm_has)
{
    static const uint32_t cids[] = {3, 4711, VSOCK_CID_HYPERVISOR};

    for (size_t i = 0; i < COUNT_OF(cids); i++) {
        struct vsock_conn *conn = no_conn;
        int r = vsock_dial(cids[i], 5004, NULL, &conn);
        cr_expect_eq(r, -ENODEV, "%u: %s", cids[i], strerror(-r));
        cr_expect_eq(conn, no_conn);
    }
}

/* Where no host is, the host's CID is the loopback, too. */
Test(vsock_loopback_dial, nobody_listens_on_the_port)
{
    static const uint32_t cids[] = {VSOCK_CID_LOCAL, VSOCK_CID_HOST};

    for (size_t i = 0; i < COUNT_OF(cids); i++) {
        struct vsock_conn *conn = no_conn;
        cr_expect_eq(vsock_dial(cids[i], 5004, NULL, &conn), -ECONNRESET, "%u", cids[i]);
        cr_expect_eq(conn, no_conn);
    }
}

Test(vsock_loopback_dial, what_never_answers_times_out_after_the_kernels_2_seconds)
{
    struct vsock_conn *conn = no_conn;
    struct silence silence;

    silence_begin(&silence);
    uint64_t begin = harness_now();
    cr_expect_eq(vsock_dial(silence.address.cid, silence.address.port, NULL, &conn), -ETIMEDOUT);
    uint64_t took = harness_now() - begin;
    cr_expect(took >= 1900 * MS && took < 2 * SECOND + LATE_NS, "%ju ns", (uintmax_t)took);
    cr_expect_eq(conn, no_conn);
    silence_end(&silence);
}

/* The kernel's own 2 seconds do not cut it. */
Test(vsock_loopback_dial, may_take_longer_than_the_kernels_2_seconds)
{
    struct vsock_dial_options options = {.timeout_ns = 3 * SECOND};
    struct vsock_conn *conn = no_conn;
    struct silence silence;

    silence_begin(&silence);
    uint64_t begin = harness_now();
    cr_expect_eq(vsock_dial(silence.address.cid, silence.address.port, &options, &conn),
                 -ETIMEDOUT);
    uint64_t took = harness_now() - begin;
    cr_expect(took >= 3 * SECOND && took < 3 * SECOND + LATE_NS, "%ju ns", (uintmax_t)took);
    silence_end(&silence);
}

#define MINOR_OF_NONE 199

/* A /dev of the test's own, where `vsock` is a device, one that no driver serves, or is not. */
static void dev_of_ones_own(bool with_device, bool served, mode_t mode)
{
    struct stat device;

    cr_assert_eq(stat("/dev/vsock", &device), 0);
    cr_assert_eq(unshare(CLONE_NEWNS), 0);
    cr_assert_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    cr_assert_eq(mount("tmpfs", "/dev", "tmpfs", 0, "mode=755"), 0);
    if (!with_device)
        return;
    dev_t number = makedev(major(device.st_rdev), served ? minor(device.st_rdev) : MINOR_OF_NONE);
    cr_assert_eq(mknod("/dev/vsock", S_IFCHR | mode, number), 0);
    cr_assert_eq(chmod("/dev/vsock", mode), 0);
}

static void check_context_fails(int error)
{
    struct vsock_listener *listener = no_listener;
    uint32_t cid = 4711;
    int r = vsock_context_id(&cid);

    cr_expect_eq(r, error, "%s", strerror(-r));
    cr_expect_eq(cid, 4711);
    cr_expect_eq(vsock_listen(5005, NULL, &listener), error);
    cr_expect_eq(listener, no_listener);
}

/* Newer kernels tell the loopback's. */
Test(vsock_loopback_context, is_any_or_local_where_no_host_is)
{
    uint32_t cid = 4711;

    cr_assert_eq(vsock_context_id(&cid), 0);
    cr_expect(cid == VSOCK_CID_ANY || cid == VSOCK_CID_LOCAL, "%u", cid);
}

Test(vsock_loopback_context, without_the_device)
{
    dev_of_ones_own(false, false, 0);
    check_context_fails(-ENOENT);
}

Test(vsock_loopback_context, with_a_device_that_no_driver_serves)
{
    dev_of_ones_own(true, false, 0666);
    check_context_fails(-ENODEV);
}

Test(vsock_loopback_context, without_permission_on_the_device)
{
    dev_of_ones_own(true, true, 0600);
    cr_assert_eq(seteuid(NOBODY), 0);
    check_context_fails(-EACCES);
    cr_assert_eq(seteuid(0), 0);
    uint32_t cid;
    cr_expect_eq(vsock_context_id(&cid), 0);
}

int main(int argc, char **argv)
{
    return backing_main(argc, argv, true);
}
