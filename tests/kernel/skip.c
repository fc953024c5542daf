/* main() of the tests that need io_uring: where it is refused, or too old, they are skipped. */
#include <criterion/criterion.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* 0, or why ring_new() cannot succeed here: no io_uring, or none with rings of buffers (5.19). */
static int refusal(void)
{
    struct io_uring uring;
    int error = io_uring_queue_init(4, &uring, 0);
    if (error < 0)
        return error;

    void *offers = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (offers == MAP_FAILED)
        abort();
    struct io_uring_buf_reg registration = {.ring_addr = (uintptr_t)offers, .ring_entries = 4};
    error = io_uring_register_buf_ring(&uring, &registration, 0);
    io_uring_queue_exit(&uring);
    munmap(offers, 4096);
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
