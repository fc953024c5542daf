/* Of tests that need a ring: of the engine that VSLUICE_RING asks for. */
#include "tests/ring/refusal.h"

#include "ring/ring.h"

int refusal(void)
{
    struct ring_options options = {.entries = 4, .buffers_max = 1};
    struct ring *ring;
    int error = ring_new(&ring, &options);

    if (error == 0)
        ring_free(ring);
    return error;
}
