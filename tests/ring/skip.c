/* main() of the tests that need a ring: where the engine that VSLUICE_RING asks for is refused,
 * they are skipped. */
#include "ring/ring.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static int refusal(void)
{
    struct ring_options options = {.entries = 4, .buffers_max = 1};
    struct ring *ring;
    int error = ring_new(&ring, &options);

    if (error == 0)
        ring_free(ring);
    return error;
}

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
