/* The mistakes of what stands for many: guests that are found or asked for by name, templates,
 * ranges of ports, and ports that the initiators name. With the exact words, as in mistakes.c.
 */
#include "tests/config/scratch.h"

#include <criterion/criterion.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* "FILE:LINE: " of the expected texts */
#define AT(line) SCRATCH_FILE ":" #line ": "

#define EACH_ADDRESS                                                                            \
    "the guests of [guest *] are found by their sockets; give it an address with '{name}' and " \
    "more "                                                                                     \
    "behind it, such as 'vsock-mux:/run/vms/{name}/v.sock'\n"

Test(mistakes_many, guests_that_are_found)
{
    static const struct scratch_mistake cases[] = {
        {"[guest *]\naddress = vsock-mux:/run/v.sock\n", AT(2) EACH_ADDRESS},
        {"[guest *]\naddress = vsock-mux:/run/{name}\n", AT(2) EACH_ADDRESS},
        {"[guest *]\naddress = vsock-mux:/run/{name}_80\n", AT(2) EACH_ADDRESS},
        {"[guest *]\naddress = vsock:3\n", AT(2) EACH_ADDRESS},
        {"[guest *]\nmachine = web1\n", AT(2) EACH_ADDRESS},
        {"[guest *]\naddress = vsock-mux:/run/{name}s\n[guest *]\naddress = vsock-mux:/x/{name}s\n",
         AT(3) "guest '*' is already defined at " SCRATCH_FILE ":1; give this one another name\n"},
        {"[guest *]\n", AT(1) "this guest has no 'address'; add one, such as 'address = "
                              "vsock:3'\n"},
        {"[guest *]\naddress = vsock-mux:/run/{name}/v\nvmm = libkrun\n",
         AT(3) "the guests of [guest *] are found by their sockets, and libkrun has none but those "
               "of its ports; name each of these guests, [guest NAME]\n"},
        {"[guest {name}]\naddress = vsock:3\n",
         AT(1) "'{name}' is no name of a guest; one has at most 48 letters, digits, '.', '_' and "
               "'-'\n"},
        {"[route *]\nlisten = tcp:*:1\ntarget = tcp:b:1\n",
         AT(1) "'*' is no name of a route; one has at most 48 letters, digits, '.', '_' and "
               "'-'\n"},
    };

    scratch_expect_mistakes(cases, COUNT_OF(cases));
}

Test(mistakes_many, guests_that_are_machines)
{
    static const struct scratch_mistake cases[] = {
        {"[guest m]\nmachine = web1\nvmm = kernel\n", ""},
        {"[guest m]\nmachine = web1\nvmm = firecracker\n",
         AT(3) "only 'kernel' or 'auto' goes with 'machine'; other VMMs need 'vsock-mux:/PATH'\n"},
        {"[guest m]\nmachine = web 1\n",
         AT(2) "'web 1' is no value of 'machine'; give it the name of a virtual machine, as "
               "systemd-machined has it\n"},
        {"[guest m]\nmachine =\n", AT(2) "'machine' is empty; give it the name of a virtual "
                                         "machine, as systemd-machined has it\n"},
        {"[guest m]\naddress = vsock:3\nmachine = web1\n",
         AT(3) "this guest has an 'address' too; its CID is asked for by name or given, remove one "
               "of the two\n"},
        {"[guest m]\nmachine = m\n[route r]\nlisten = guest:m:1-10 tcp:*:1\ntarget = guest:m:0\n",
         AT(4) "guest 'm' is known by 'machine', which is for targets; to listen for it, give it "
               "an address 'vsock:CID'\n" AT(
                   5) "'0' in 'guest:m:0' cannot be the port of a target; give a number from 1 to "
                      "4294967294\n"},
    };

    scratch_expect_mistakes(cases, COUNT_OF(cases));
}
