/* What ssh(1) does with a ProxyCommand under ProxyUseFdpass: runs a program with a Unix socket as
 * its standard output, takes the descriptor that it passes there, and speaks over that.
 *
 * usage: pass-fd WORDS PROGRAM [ARGS...]: sends WORDS, half-closes, prints what comes back
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int start(char **argv, pid_t *ret)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
        return -1;
    *ret = fork();
    if (*ret == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        execv(argv[0], argv);
        perror(argv[0]);
        _exit(127);
    }
    close(ends[1]);
    return ends[0];
}

static int take(int socket)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    char byte;
    struct iovec vector = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {
        .msg_iov = &vector,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof(control.bytes),
    };
    int fd = -1;

    if (recvmsg(socket, &message, 0) < 0)
        return -1;
    const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_type == SCM_RIGHTS)
        memcpy(&fd, CMSG_DATA(header), sizeof(fd));
    return fd;
}

int main(int argc, char **argv)
{
    char bytes[4096];
    ssize_t count;
    pid_t child;
    int status;

    if (argc < 3)
        return 64;
    int socket = start(argv + 2, &child);
    int fd = socket < 0 ? -1 : take(socket);
    if (fd < 0) {
        fputs("pass-fd: no descriptor was passed\n", stderr);
        return 1;
    }
    if (write(fd, argv[1], strlen(argv[1])) < 0 || shutdown(fd, SHUT_WR) < 0)
        return 1;
    while ((count = read(fd, bytes, sizeof(bytes))) > 0)
        fwrite(bytes, 1, (size_t)count, stdout);
    waitpid(child, &status, 0);
    return count < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}
