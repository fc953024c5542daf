/* Put before libc by LD_PRELOAD: a program that reads its options prints those that it knows, one a
 * line, and ends. "-c ARG", "--end".
 */
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

int getopt_long(int argc, char *const *argv, const char *shorts, const struct option *longs,
                int *index)
{
    for (const char *letter = shorts; *letter; letter++)
        if (*letter != ':' && *letter != '+' && *letter != '-')
            printf("-%c%s\n", *letter, letter[1] == ':' ? " ARG" : "");
    for (; longs->name; longs++)
        printf("--%s%s\n", longs->name, longs->has_arg == no_argument ? "" : " ARG");
    fflush(stdout);
    _exit(0);
}
