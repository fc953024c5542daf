/* Runs the cases of a test program. */
#include "tests/kernel/vsock_case.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEADLINE_S 20

enum { PASSED = 0, FAILED = 1, SKIPPED = 77 };

static struct case_entry *first, **last = &first;

void case_add(struct case_entry *entry)
{
    *last = entry;
    last = &entry->next;
}

void case_fail_at(const char *file, int line, const char *format, ...)
{
    int error = errno;
    va_list arguments;

    printf("%s:%d: ", file, line);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf(" (errno: %s)\n", strerror(error));
    exit(FAILED);
}

void case_skip(const char *reason)
{
    printf("%s\n", reason);
    exit(SKIPPED);
}

/* A case that does not end is ended by SIGALRM. */
static int run(const struct case_entry *entry)
{
    int status;

    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        alarm(DEADLINE_S);
        entry->function();
        exit(PASSED);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        abort();
    if (WIFSIGNALED(status))
        printf("ended by signal %d (%s)\n", WTERMSIG(status), strsignal(WTERMSIG(status)));
    return WIFEXITED(status) ? WEXITSTATUS(status) : FAILED;
}

int case_run_all(const char *part)
{
    unsigned passed = 0, skipped = 0, failed = 0;

    for (const struct case_entry *entry = first; entry != NULL; entry = entry->next) {
        if (part != NULL && strstr(entry->name_text, part) == NULL)
            continue;
        int status = run(entry);
        passed += status == PASSED;
        skipped += status == SKIPPED;
        failed += status != PASSED && status != SKIPPED;
        printf("%s %s\n",
               status == PASSED    ? "ok  "
               : status == SKIPPED ? "SKIP"
                                   : "FAIL",
               entry->name_text);
    }
    printf("%u passed, %u skipped, %u failed\n", passed, skipped, failed);
    return failed > 0 || passed + skipped == 0 ? 1 : 0;
}
