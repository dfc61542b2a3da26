/* csrc/core/window/wire.h: the bytes of saved states: little-endian numbers, varints, and a reader that never goes past the end. */
#ifndef HR_CORE_WIRE_H
#define HR_CORE_WIRE_H

#include "core/arena.h"

typedef struct hr_wire {
    const uint8_t *p, *end;
} hr_wire;

static inline bool hr_wire_u64(hr_wire *in, uint64_t *value)
{
    uint64_t result = 0;

    if (in->end - in->p < 8)
        return false;
    for (int i = 7; i >= 0; i--)
        result = result << 8 | in->p[i];
    in->p += 8;
    *value = result;
    return true;
}

static inline bool hr_wire_i64(hr_wire *in, int64_t *value)
{
    uint64_t bits;

    if (!hr_wire_u64(in, &bits))
        return false;
    *value = (int64_t)bits;
    return true;
}

static inline bool hr_wire_u8(hr_wire *in, uint8_t *value)
{
    if (in->p == in->end)
        return false;
    *value = *in->p++;
    return true;
}

/* Seven bits a byte, the lowest first. */
static inline bool hr_wire_varint(hr_wire *in, uint64_t *value)
{
    uint64_t result = 0;

    for (int shift = 0; shift < 64; shift += 7) {
        uint8_t byte;

        if (!hr_wire_u8(in, &byte) || (shift == 63 && byte > 1))
            return false;
        result |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *value = result;
            return true;
        }
    }
    return false;
}

/* A count of things of which each takes at least `least` bytes: no more than can follow. */
static inline bool hr_wire_count(hr_wire *in, size_t least, uint64_t *count)
{
    return hr_wire_varint(in, count) && *count <= (uint64_t)(in->end - in->p) / least;
}

static inline bool hr_wire_bytes(hr_wire *in, const uint8_t **bytes, size_t *n)
{
    uint64_t length;

    if (!hr_wire_count(in, 1, &length))
        return false;
    *bytes = in->p;
    *n = (size_t)length;
    in->p += length;
    return true;
}

static inline int hr_wire_put_u64(hr_buffer *out, uint64_t value, hr_error *error)
{
    uint8_t bytes[8];

    for (int i = 0; i < 8; i++, value >>= 8)
        bytes[i] = (uint8_t)value;
    return hr_buffer_append(out, bytes, 8, error);
}

static inline int hr_wire_put_i64(hr_buffer *out, int64_t value, hr_error *error)
{
    return hr_wire_put_u64(out, (uint64_t)value, error);
}

static inline int hr_wire_put_u8(hr_buffer *out, uint8_t value, hr_error *error)
{
    return hr_buffer_append(out, &value, 1, error);
}

static inline int hr_wire_put_varint(hr_buffer *out, uint64_t value, hr_error *error)
{
    uint8_t bytes[10];
    size_t n = 0;

    for (; value >= 0x80; value >>= 7)
        bytes[n++] = (uint8_t)(value | 0x80);
    bytes[n++] = (uint8_t)value;
    return hr_buffer_append(out, bytes, n, error);
}

static inline int hr_wire_put_bytes(hr_buffer *out, const void *bytes, size_t n, hr_error *error)
{
    HR_RETURN_NOT_OK(hr_wire_put_varint(out, n, error));
    return hr_buffer_append(out, bytes, n, error);
}

/* The bytes are no saved state, or a damaged one. */
static inline int hr_wire_damaged(const char *what, hr_error *error)
{
    return hr_error_data(error, HR_REASON_MALFORMED, NULL, 0, "the saved state of the windows is damaged: %s", what);
}

#endif
