/* Slots: their bound, their addresses, their reuse. */
#include "proxy/slab.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

#define SLOTS 200 /* more than a chunk */

/* At one less than the bound, at it, and at one more. */
Test(slab, bounded)
{
    struct slab slab;
    void *slots[SLOTS];

    slab_init(&slab, 24, SLOTS);
    for (size_t i = 0; i < SLOTS; i++) {
        slots[i] = slab_take(&slab);
        cr_assert_not_null(slots[i], "slot %zu of %d", i, SLOTS);
        cr_assert_eq(slab.used, i + 1);
    }
    cr_assert_null(slab_take(&slab));
    cr_assert_eq(slab.used, SLOTS);
    slab_give(&slab, slots[7]);
    cr_assert_eq(slab_take(&slab), slots[7]);
    cr_assert_null(slab_take(&slab));
    for (size_t i = 0; i < SLOTS; i++)
        slab_give(&slab, slots[i]);
    slab_deinit(&slab);
}

Test(slab, no_slot_at_all)
{
    struct slab slab;

    slab_init(&slab, 24, 0);
    cr_assert_null(slab_take(&slab));
    slab_deinit(&slab);
}

/* Every slot is its holder's alone, whatever its size, and does not move while others come and go.
 */
Test(slab, slots_do_not_overlap)
{
    static const size_t sizes[] = {1, 8, 15, 16, 17, 100, 4096};

    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        struct slab slab;
        unsigned char *slots[SLOTS];

        slab_init(&slab, sizes[s], SLOTS);
        for (size_t i = 0; i < SLOTS; i++) {
            slots[i] = slab_take(&slab);
            cr_assert_eq((uintptr_t)slots[i] % _Alignof(max_align_t), 0);
            memset(slots[i], (int)(i + 1), sizes[s]);
        }
        for (size_t i = 0; i < SLOTS; i += 3) {
            slab_give(&slab, slots[i]);
            slots[i] = slab_take(&slab);
            memset(slots[i], (int)(i + 1), sizes[s]);
        }
        for (size_t i = 0; i < SLOTS; i++) {
            for (size_t at = 0; at < sizes[s]; at++)
                cr_assert_eq(slots[i][at], (unsigned char)(i + 1), "slot %zu of size %zu", i,
                             sizes[s]);
            slab_give(&slab, slots[i]);
        }
        slab_deinit(&slab);
    }
}

Test(slab, a_slot_is_zeroed)
{
    struct slab slab;

    slab_init(&slab, 300, 4);
    for (unsigned round = 0; round < 3; round++) {
        unsigned char *slot = slab_take(&slab);
        for (size_t i = 0; i < 300; i++)
            cr_assert_eq(slot[i], 0);
        memset(slot, 0xff, 300);
        slab_give(&slab, slot);
    }
    slab_deinit(&slab);
}

Test(slab, the_latest_is_used_again_first)
{
    struct slab slab;

    slab_init(&slab, 64, 10);
    void *a = slab_take(&slab);
    void *b = slab_take(&slab);
    slab_give(&slab, a);
    slab_give(&slab, b);
    cr_assert_eq(slab_take(&slab), b);
    cr_assert_eq(slab_take(&slab), a);
    slab_give(&slab, a);
    slab_give(&slab, b);
    slab_deinit(&slab);
}
