/* AF_VSOCK ports: who may have one, and when it is free again. */
#include "tests/kernel/vsock_case.h"
#include "tests/kernel/vsock_loopback.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#define NOBODY 65534

static int bind_address(uint32_t cid, uint32_t port)
{
    struct sockaddr_vm address = {.svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port};
    int fd = loopback_socket(SOCK_STREAM);
    int error = bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? errno : 0;
    close(fd);
    return error;
}

/* Every context ID, and both types of socket, share the ports. */
CASE(a_port_is_bound_once)
{
    uint32_t port;
    int listener = loopback_listen(SOCK_STREAM, 1, &port);

    EXPECT_EQ(bind_address(VMADDR_CID_LOCAL, port), EADDRINUSE);
    EXPECT_EQ(bind_address(VMADDR_CID_ANY, port), EADDRINUSE);
    int fd = loopback_socket(SOCK_SEQPACKET);
    EXPECT_EQ(loopback_bind(fd, port), EADDRINUSE);
    close(fd);
    close(listener);
}

/* Connections that it accepted live on, and do not keep it. */
CASE(a_port_is_free_at_once_after_close)
{
    uint32_t port;
    int listener = loopback_listen(SOCK_STREAM, 1, &port);
    int connected = loopback_socket(SOCK_STREAM);
    EXPECT_EQ(loopback_connect(connected, port), 0);
    int accepted = accept(listener, NULL, NULL);
    close(listener);

    int again = loopback_socket(SOCK_STREAM);
    EXPECT_EQ(loopback_bind(again, port), 0);
    EXPECT_EQ(listen(again, 1), 0);
    int other = loopback_socket(SOCK_STREAM);
    EXPECT_EQ(loopback_connect(other, port), 0);
    int fd = accept(again, NULL, NULL);
    char byte;
    EXPECT_EQ(loopback_send(connected, "1", 1), 1);
    loopback_read(accepted, &byte, 1);
    EXPECT_EQ(byte, '1');
    EXPECT_EQ(loopback_send(other, "2", 1), 1);
    loopback_read(fd, &byte, 1);
    EXPECT_EQ(byte, '2');
    close(fd);
    close(other);
    close(again);
    close(accepted);
    close(connected);
}

CASE(a_socket_is_bound_once)
{
    int fd = loopback_socket(SOCK_STREAM);

    EXPECT_EQ(loopback_bind(fd, LOOPBACK_DEFAULT), 0);
    EXPECT_EQ(loopback_bind(fd, LOOPBACK_DEFAULT), EINVAL);
    close(fd);
}

CASE(a_listener_has_to_be_bound)
{
    int fd = loopback_socket(SOCK_STREAM);

    EXPECT_EQ(listen(fd, 1), -1);
    EXPECT_EQ(errno, EINVAL);
    close(fd);
}

/* VMADDR_PORT_ANY is what lets the kernel choose. */
CASE(port_0_is_a_port)
{
    struct sockaddr_vm address = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_LOCAL};
    int fd = loopback_socket(SOCK_STREAM);

    EXPECT_EQ(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    EXPECT_EQ(loopback_port(fd), 0);
    close(fd);
}

CASE(a_context_id_of_others_cannot_be_bound)
{
    EXPECT_EQ(bind_address(77, VMADDR_PORT_ANY), EADDRNOTAVAIL);
}

/* A connection to it comes from where it went to: the local context ID, not any. */
CASE(a_listener_on_any_context_id_accepts_from_loopback)
{
    struct sockaddr_vm address = {
        .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = VMADDR_PORT_ANY};
    socklen_t length = sizeof(address);
    int listener = loopback_socket(SOCK_STREAM);
    int fd = loopback_socket(SOCK_STREAM);

    EXPECT_EQ(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    EXPECT_EQ(listen(listener, 1), 0);
    EXPECT_EQ(loopback_connect(fd, loopback_port(listener)), 0);
    int accepted = accept(listener, (struct sockaddr *)&address, &length);
    EXPECT_GE(accepted, 0);
    EXPECT_EQ(address.svm_cid, VMADDR_CID_LOCAL);
    EXPECT_EQ(address.svm_port, loopback_port(fd));
    EXPECT_EQ(getsockname(accepted, (struct sockaddr *)&address, &length), 0);
    EXPECT_EQ(address.svm_cid, VMADDR_CID_LOCAL);
    /* The connecting end was bound to any, and stays so. */
    EXPECT_EQ(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    EXPECT_EQ(address.svm_cid, VMADDR_CID_ANY);
    close(accepted);
    close(fd);
    close(listener);
}

/* CAP_NET_BIND_SERVICE. */
CASE(ports_below_1024_need_a_privilege)
{
    if (geteuid() != 0)
        case_skip("needs root");
    EXPECT_EQ(bind_address(VMADDR_CID_LOCAL, 1023), 0);
    EXPECT_EQ(setresuid(NOBODY, NOBODY, NOBODY), 0);
    EXPECT_EQ(bind_address(VMADDR_CID_LOCAL, 1023), EACCES);
    EXPECT_EQ(bind_address(VMADDR_CID_LOCAL, 1024), 0);
}

CASE(ports_are_not_shared)
{
    int on = 1;
    int fd = loopback_socket(SOCK_STREAM);

    EXPECT_EQ(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), -1);
    EXPECT_EQ(errno, EOPNOTSUPP);
    close(fd);
}
