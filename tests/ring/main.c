/* main() of the tests that need io_uring: where it is refused, or too old, they are skipped. */
#include "tests/ring/refusal.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char *argv[])
{
    int error = refusal();

    if (error == -EPERM || error == -EACCES || error == -ENOSYS || error == -EINVAL) {
        printf("io_uring is refused here (or older than 5.19): %s\n", strerror(-error));
        return 77;
    }
    struct criterion_test_set *tests = criterion_initialize();
    int status = 0;
    if (criterion_handle_args(argc, argv, true))
        status = criterion_run_all_tests(tests) ? 0 : 1;
    criterion_finalize(tests);
    return status;
}
