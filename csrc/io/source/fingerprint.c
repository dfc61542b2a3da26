/* csrc/io/source/fingerprint.c: the hash of a file's bytes, by as many threads as help.
 *
 * A load waits for it before it can begin, and reading is what takes the time. So a long file is hashed in pieces of one size, by threads
 * that take one piece after the other, and its fingerprint is the hash of the pieces' hashes. That of a file of one piece is XXH3's own.
 */
#include <pthread.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "file.h"

#define HR_PRINT_PIECE ((int64_t)8 << 20)
#define HR_PRINT_BLOCK ((size_t)64 << 10) /* what is read is hashed while it is in the processor's nearest cache */
#define HR_PRINT_THREADS 4

typedef struct hr_print {
    const char *path;
    const atomic_bool *cancel;
    int64_t pieces;
    atomic_llong next; /* piece to be taken */
    XXH128_canonical_t *hashes;
} hr_print;

typedef struct hr_printer {
    hr_print *print;
    pthread_t thread;
    int rc;
    hr_error error;
} hr_printer;

/* Hash one piece. A file that was cut meanwhile gives a hash of what there is. */
static int hr_print_piece(hr_print *print, hr_file *file, int64_t piece, hr_error *error)
{
    uint8_t block[HR_PRINT_BLOCK];
    XXH3_state_t state;
    int64_t left = HR_PRINT_PIECE;

    XXH3_128bits_reset(&state);
    HR_RETURN_NOT_OK(hr_file_seek(file, piece * HR_PRINT_PIECE, error));
    while (left > 0) {
        size_t n, want = left < (int64_t)sizeof(block) ? (size_t)left : sizeof(block);

        if (print->cancel != NULL && atomic_load_explicit(print->cancel, memory_order_relaxed))
            return hr_error_set(error, HR_ECANCELLED, "cancelled");
        HR_RETURN_NOT_OK(hr_file_read(file, block, want, &n, error));
        if (n == 0 && hr_file_at_end(file))
            break;
        XXH3_128bits_update(&state, block, n);
        left -= (int64_t)n;
    }
    XXH128_canonicalFromHash(&print->hashes[piece], XXH3_128bits_digest(&state));
    return HR_OK;
}

/* Take pieces until there are none. */
static void *hr_print_pieces(void *arg)
{
    hr_printer *printer = arg;
    hr_print *print = printer->print;
    hr_file *file = NULL;
    int64_t piece;

    printer->rc = hr_file_open(print->path, &file, &printer->error);
    if (printer->rc == HR_OK)
        printer->rc = hr_file_as_stored(file, &printer->error);
    while (printer->rc == HR_OK && (piece = atomic_fetch_add(&print->next, 1)) < print->pieces)
        printer->rc = hr_print_piece(print, file, piece, &printer->error);
    if (printer->rc != HR_OK)
        atomic_store(&print->next, print->pieces); /* the others need not go on */
    hr_file_close(file);
    return NULL;
}

/* Hash all pieces. A thread that cannot be started leaves its work to the others. */
static int hr_print_all(hr_print *print, hr_error *error)
{
    hr_printer printers[HR_PRINT_THREADS];
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    int64_t most = print->pieces < HR_PRINT_THREADS ? print->pieces : HR_PRINT_THREADS;
    int count = 1, rc = HR_OK;

    if (most > processors)
        most = processors;
    for (int i = 0; i < HR_PRINT_THREADS; i++)
        printers[i] = (hr_printer){.print = print};
    while (count < most && pthread_create(&printers[count].thread, NULL, hr_print_pieces, &printers[count]) == 0)
        count++;
    hr_print_pieces(&printers[0]);
    for (int i = 1; i < count; i++)
        pthread_join(printers[i].thread, NULL);
    for (int i = 0; i < count && rc == HR_OK; i++) {
        rc = printers[i].rc;
        if (rc != HR_OK && error != NULL)
            *error = printers[i].error;
    }
    return rc;
}

int hr_file_fingerprint(const char *path, char out[HR_FINGERPRINT_SIZE], const atomic_bool *cancel, hr_error *error)
{
    static const char hex[] = "0123456789abcdef";
    hr_print print = {.path = path, .cancel = cancel};
    XXH128_canonical_t whole;
    hr_file *file;
    int64_t size;
    int rc;

    out[0] = '\0';
    if (strcmp(path, "-") == 0)
        return hr_error_set(error, HR_EUSAGE, "standard input has no fingerprint: it can be read only once");
    HR_RETURN_NOT_OK(hr_file_open(path, &file, error));
    size = hr_file_size(file);
    rc = hr_file_as_stored(file, error);
    hr_file_close(file);
    HR_RETURN_NOT_OK(rc);
    print.pieces = size <= HR_PRINT_PIECE ? 1 : (size - 1) / HR_PRINT_PIECE + 1;
    print.hashes = hr_calloc((size_t)print.pieces, sizeof(*print.hashes));
    if (print.hashes == NULL)
        return hr_error_nomem(error);
    rc = hr_print_all(&print, error);
    whole = print.hashes[0];
    if (print.pieces > 1)
        XXH128_canonicalFromHash(&whole, XXH3_128bits(print.hashes, sizeof(*print.hashes) * (size_t)print.pieces));
    hr_free(print.hashes);
    HR_RETURN_NOT_OK(rc);
    for (size_t i = 0; i < sizeof(whole.digest); i++) {
        out[2 * i] = hex[whole.digest[i] >> 4];
        out[2 * i + 1] = hex[whole.digest[i] & 15];
    }
    out[HR_FINGERPRINT_SIZE - 1] = '\0';
    return HR_OK;
}
