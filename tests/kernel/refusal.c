/* Of tests that need io_uring itself. */
#include "tests/ring/refusal.h"

#include <liburing.h>
#include <stdlib.h>
#include <sys/mman.h>

/* Where there is none, or none with rings of buffers (5.19). */
int refusal(void)
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
