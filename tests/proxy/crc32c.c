/* CRC-32C: what others have published, whole and in pieces. */
#include "proxy/crc32c.h"

#include <criterion/criterion.h>
#include <string.h>

static void expect(const void *bytes, size_t length, uint32_t crc)
{
    cr_assert_eq(crc32c(0, bytes, length), crc, "%#x", crc32c(0, bytes, length));
    for (size_t part = 0; part <= length; part++)
        cr_assert_eq(crc32c(crc32c(0, bytes, part), (const char *)bytes + part, length - part), crc,
                     "in two pieces, after %zu", part);
}

/* The check value of the catalogues, and RFC 3720, B.4. */
Test(crc32c, published)
{
    unsigned char bytes[32] = {0};

    expect("", 0, 0);
    expect("123456789", 9, 0xe3069283);
    expect(bytes, sizeof(bytes), 0x8a9136aa);
    memset(bytes, 0xff, sizeof(bytes));
    expect(bytes, sizeof(bytes), 0x62a8ab43);
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)i;
    expect(bytes, sizeof(bytes), 0x46dd794e);
}
