/* hold-thread TID SECONDS: one thread of another process does not turn for so long, the others do.
 * SIGSTOP would stop them all; ptrace(2) stops the one. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: hold-thread TID SECONDS\n");
        return 64;
    }
    pid_t thread = atoi(argv[1]);
    if (ptrace(PTRACE_SEIZE, thread, NULL, NULL) < 0 ||
        ptrace(PTRACE_INTERRUPT, thread, NULL, NULL) < 0 || waitpid(thread, NULL, __WALL) < 0) {
        perror("hold-thread");
        return 1;
    }
    printf("held\n");
    fflush(stdout);
    alarm((unsigned)atoi(argv[2]));
    /* Its process ends only when this one has heard of the thread's end. */
    while (waitpid(thread, NULL, __WALL) >= 0)
        ;
    return 0;
}
