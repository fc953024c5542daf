/* Linking mimalloc replaces malloc for the whole program; sanitizers bring an allocator of their
 * own. */
#include "proxy/allocator.h"

#ifdef VSLUICE_MIMALLOC

#    include <mimalloc.h>
#    include <stdio.h>

void allocator_init(void)
{
    /* A proxy's own memory is small: give what is freed back at once. */
    mi_option_set(mi_option_page_reset, 0);
}

const char *allocator_name(void)
{
    static char name[32];
    int version = mi_version();
    snprintf(name, sizeof(name), "mimalloc %d.%d.%d", version / 100, version / 10 % 10,
             version % 10);
    return name;
}

#else

void allocator_init(void)
{
}

const char *allocator_name(void)
{
    return "libc";
}

#endif
