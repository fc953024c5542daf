/* What is known of guests at run time: references, names, freezing, and how many sessions there may
 * be. */
#include "proxy/guest_use.h"

#include "proxy/room.h"
#include "proxy/vmm.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct guest_use *get(struct guest_uses *uses, const char *name)
{
    char text[64];
    struct guest guest = {.name = text, .address = {.kind = ENDPOINT_VSOCK, .cid = 3, .fd = -1}};

    snprintf(text, sizeof(text), "%s", name);
    return guest_use_get(uses, &guest);
}

static struct guest_uses uses;

static void begin(void)
{
    guest_uses_init(&uses);
}

static void end(void)
{
    guest_uses_deinit(&uses);
}

TestSuite(guest_use, .init = begin, .fini = end);

Test(guest_use, one_for_each_name)
{
    struct guest_use *web = get(&uses, "web");
    struct guest_use *db = get(&uses, "db");
    char name[] = "web";

    cr_assert_neq(web, db);
    cr_assert_eq(get(&uses, name), web);
    name[0] = 'x';
    cr_assert_str_eq(web->name, "web", "the name is its own");
    cr_assert_eq(guest_use_ref(web), web);
    cr_assert_eq(guest_use_find(&uses, "web"), web);
    cr_assert_null(guest_use_find(&uses, "we"));
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(uses.first->next, web);
        guest_use_put(web);
    }
    cr_assert_eq(uses.first, db);
    cr_assert_null(db->next, "the last reference is given back");
    guest_use_put(db);
    cr_assert_null(uses.first);
    guest_use_put(NULL);
}

/* Any of three, whichever stands first in the list. */
Test(guest_use, forgotten_in_any_order)
{
    static const char *const names[] = {"a", "b", "c"};

    for (unsigned first = 0; first < 3; first++) {
        struct guest_use *use[3];
        for (unsigned i = 0; i < 3; i++)
            use[i] = get(&uses, names[i]);
        for (unsigned i = 0; i < 3; i++)
            guest_use_put(use[(first + i) % 3]);
        cr_assert_null(uses.first);
    }
}

Test(guest_use, a_frozen_guest_stays_known)
{
    struct guest_use *use = get(&uses, "web");

    guest_use_freeze(use, true);
    guest_use_put(use);
    cr_assert_eq(get(&uses, "web"), use);
    cr_assert(atomic_load(&use->frozen));
    guest_use_put(use);
    cr_assert_eq(get(&uses, "web"), use);
    guest_use_freeze(use, false);
    guest_use_put(use);
    cr_assert_null(uses.first);
}

/* What is frozen to the end is freed with the rest: LeakSanitizer looks. */
Test(guest_use, frozen_at_the_end)
{
    struct guest_use *use = get(&uses, "web");

    guest_use_freeze(use, true);
    guest_use_put(use);
    cr_assert_not_null(uses.first);
}

static void expect_room(const struct guest *guest, struct guest_use *use, unsigned max)
{
    for (unsigned i = 0; i < max; i++)
        cr_assert_eq(room_enter_guest(use, guest, 0), REASON_NONE, "session %u of %u", i + 1, max);
    for (unsigned i = 0; i < 3; i++)
        cr_assert_eq(room_enter_guest(use, guest, 0), REASON_GUEST_FULL, "one more than %u", max);
    cr_assert_eq(atomic_load(&use->sessions), max, "who was refused was counted");
    room_leave_guest(use);
    cr_assert_eq(room_enter_guest(use, guest, 0), REASON_NONE);
    cr_assert_eq(room_enter_guest(use, guest, 0), REASON_GUEST_FULL);
    for (unsigned i = 0; i < max; i++)
        room_leave_guest(use);
    cr_assert_eq(atomic_load(&use->sessions), 0);
}

Test(guest_use, so_many_sessions)
{
    struct guest_use *use = get(&uses, "web");
    struct guest guest = {.name = "web", .sessions_max = 1};

    expect_room(&guest, use, 1);
    guest.sessions_max = 3;
    expect_room(&guest, use, 3);
    guest.sessions_max = 5000; /* also where the VMM is known to take fewer */
    guest.vmm = GUEST_VMM_FIRECRACKER;
    expect_room(&guest, use, 5000);
    guest_use_put(use);
}

Test(guest_use, as_many_as_the_vmm_takes)
{
    struct guest_use *use = get(&uses, "web");
    struct guest guest = {.name = "web", .sessions_max = GUEST_SESSIONS_AUTO};

    guest.vmm = GUEST_VMM_FIRECRACKER;
    expect_room(&guest, use, VMM_SESSIONS_MAX);
    guest.vmm = GUEST_VMM_CLOUD_HYPERVISOR;
    expect_room(&guest, use, VMM_SESSIONS_MAX);
    guest.vmm = GUEST_VMM_AUTO;
    atomic_store(&use->vmm, GUEST_VMM_FIRECRACKER);
    expect_room(&guest, use, VMM_SESSIONS_MAX);
    guest.vmm = GUEST_VMM_VHOST_DEVICE; /* as the configuration says, whatever was found */
    cr_assert_eq(vmm_sessions_max(&guest, GUEST_VMM_FIRECRACKER), UINT32_MAX);
    guest_use_put(use);
}

Test(guest_use, any_number_of_sessions)
{
    struct guest_use *use = get(&uses, "web");
    struct guest guest = {.name = "web", .sessions_max = 0, .vmm = GUEST_VMM_FIRECRACKER};

    cr_assert_eq(vmm_sessions_max(&guest, GUEST_VMM_FIRECRACKER), UINT32_MAX);
    for (unsigned i = 0; i < 3000; i++)
        cr_assert_eq(room_enter_guest(use, &guest, 0), REASON_NONE);
    for (unsigned i = 0; i < 3000; i++)
        room_leave_guest(use);
    guest.sessions_max = GUEST_SESSIONS_AUTO;
    for (unsigned vmm = 0; vmm <= GUEST_VMM_LIBKRUN; vmm++)
        if (vmm != GUEST_VMM_FIRECRACKER && vmm != GUEST_VMM_CLOUD_HYPERVISOR) {
            guest.vmm = (enum guest_vmm)vmm;
            cr_assert_eq(vmm_sessions_max(&guest, GUEST_VMM_AUTO), UINT32_MAX);
        }
    guest_use_put(use);
}

Test(guest_use, without_a_guest_there_is_room)
{
    cr_assert_eq(room_enter_guest(NULL, NULL, 0), REASON_NONE);
    room_leave_guest(NULL);
}
