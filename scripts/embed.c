/* embed.c -- build tool: packs files into one C source, as the tables that vm/packages.h declares.
 *
 *   embed [-strip] output.c file... [-without PART file...]
 *
 * A Lua file is named as `require` names it: stdlib/torch/init.lua -> torch,
 * nn/layers/Linear.lua -> nn.layers.Linear, nn/packages/graph/Node.lua -> graph.Node. Any other
 * file (data) is named by its path. -strip takes comments and indentation out of Lua files and
 * leaves the lines where they are; `help` has less to say then.
 *
 * Of files behind -without only the names are there, and the part that was left out with them.
 *
 * Files are compressed several at a time, in the order given: those that are needed together should
 * stand together. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { NAME_MAX_LENGTH = 512, BYTES_PER_LINE = 24, PACK_SIZE = 40000 };

static bool ends_with(const char *text, const char *ending) {
  size_t n = strlen(text), m = strlen(ending);
  return n >= m && strcmp(text + n - m, ending) == 0;
}

/* The folders that hold packages are no part of their names. packages.c has the same two. */
static const char *without_folder(const char *path) {
  static const char *const folders[] = {"stdlib/", "nn/packages/"};
  for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
    if (strncmp(path, folders[i], strlen(folders[i])) == 0) return path + strlen(folders[i]);
  return path;
}

static bool name_of(const char *path, char *name) {
  if (strlen(path) >= NAME_MAX_LENGTH) return false;
  if (!ends_with(path, ".lua")) return strcpy(name, path) != NULL;
  strcpy(name, without_folder(path));
  name[strlen(name) - strlen(ends_with(name, "/init.lua") ? "/init.lua" : ".lua")] = '\0';
  for (char *c = name; *c; c++)
    if (*c == '/') *c = '.';
  return true;
}

/* The bytes of a file; NULL when it cannot be read, or memory is short. */
static unsigned char *read_file(const char *path, size_t *size) {
  FILE *in = fopen(path, "rb");
  size_t room = 1 << 16;
  unsigned char *bytes = malloc(room);
  *size = 0;
  while (in && bytes && !ferror(in) && !feof(in)) {
    *size += fread(bytes + *size, 1, room - *size, in);
    if (*size < room) continue;
    unsigned char *more = realloc(bytes, room *= 2);
    if (!more) free(bytes);
    bytes = more;
  }
  if (!in || ferror(in)) {
    free(bytes);
    bytes = NULL;
  }
  if (in) fclose(in);
  return bytes;
}

/* -- Lua without comments ---------------------------------------------------------------------- */

/* How many characters a long bracket that begins at `at` has up to its end; 0: there is none. */
static size_t long_bracket(const char *at, const char *end) {
  const char *p = at + 1;
  while (p < end && *p == '=') p++;
  if (p >= end || *at != '[' || *p != '[') return 0;
  const size_t level = (size_t)(p - at - 1);
  for (p++; p + level + 1 < end; p++) {
    if (*p != ']' || p[level + 1] != ']') continue;
    size_t k = 0;
    while (k < level && p[1 + k] == '=') k++;
    if (k == level) return (size_t)(p + level + 2 - at);
  }
  return 0;
}

static size_t string_length(const char *at, const char *end) {
  const char *p = at + 1;
  while (p < end && *p != *at) p += *p == '\\' ? 2 : 1;
  return (size_t)(p < end ? p + 1 - at : end - at);
}

/* Takes blanks off the end of what was written, up to the line's beginning. */
static char *trim(char *to, const char *begin) {
  while (to > begin && (to[-1] == ' ' || to[-1] == '\t')) to--;
  return to;
}

/* In place; returns the new size. Lines keep their numbers. */
static size_t strip(char *text, size_t size) {
  const char *end = text + size;
  char *to = text, *fixed = text; /* fixed: what must not be trimmed ends here */
  for (const char *p = text; p < end;) {
    size_t n = 1;
    const bool comment = *p == '-' && p + 1 < end && p[1] == '-';
    const size_t bracket = long_bracket(comment ? p + 2 : p, end);
    if (comment && bracket > 0) {
      *to++ = ' ';
      for (n = 0; n < 2 + bracket; n++)
        if (p[n] == '\n') *to++ = '\n';
    } else if (comment) {
      for (n = 0; p + n < end && p[n] != '\n';) n++;
    } else if (*p == '"' || *p == '\'' || bracket > 0) {
      n = bracket > 0 ? bracket : string_length(p, end);
      memmove(to, p, n);
      fixed = to += n;
    } else if (*p == '\n') {
      to = trim(to, fixed);
      *to++ = '\n';
    } else if ((*p != ' ' && *p != '\t') || (to > text && to[-1] != '\n')) {
      *to++ = *p;
    }
    p += n;
  }
  return (size_t)(to - text);
}

/* -- Writing ----------------------------------------------------------------------------------- */

typedef struct {
  FILE *out;
  unsigned char *bytes; /* of the pack that is being filled */
  size_t size;
  int packs;
  size_t sizes[4096], unpacked[4096];
} writer;

/* A byte more than there are, a zero, so that no file makes an empty array (which C forbids). */
static void write_bytes(writer *w, const unsigned char *bytes, size_t size) {
  fprintf(w->out, "static const unsigned char pack_%d[] = {\n", w->packs);
  for (size_t i = 0; i < size; i++)
    fprintf(w->out, (i + 1) % BYTES_PER_LINE ? "%d," : "%d,\n", bytes[i]);
  fprintf(w->out, "0};\n");
}

/* Ends the pack. Data that is compressed already would gain a few bytes and cost time whenever it
 * is read, so an eighth has to be saved. */
static bool end_pack(writer *w) {
  if (w->size == 0) return true;
  z_stream z = {.next_in = w->bytes, .avail_in = (uInt)w->size};
  const uLong room = compressBound((uLong)w->size);
  unsigned char *packed = malloc(room);
  if (!packed || w->packs == 4096 ||
      deflateInit2(&z, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY) != Z_OK) {
    free(packed);
    return false;
  }
  z.next_out = packed;
  z.avail_out = (uInt)room;
  const bool done = deflate(&z, Z_FINISH) == Z_STREAM_END;
  const size_t size = room - z.avail_out;
  deflateEnd(&z);
  const bool pays = done && size < w->size - w->size / 8;
  write_bytes(w, pays ? packed : w->bytes, pays ? size : w->size);
  w->sizes[w->packs] = pays ? size : w->size;
  w->unpacked[w->packs++] = pays ? w->size : 0;
  w->size = 0;
  free(packed);
  return done;
}

/* Where a file's bytes are. */
typedef struct {
  size_t offset, size;
  int pack;
} place;

static const char without[] = "-without";

static bool add_file(writer *w, const char *path, bool stripped, place *at) {
  const bool lua = ends_with(path, ".lua");
  size_t size;
  unsigned char *bytes = read_file(path, &size);
  if (!bytes) {
    fprintf(stderr, "embed: cannot read %s\n", path);
    return false;
  }
  if (lua && stripped) size = strip((char *)bytes, size);
  /* data has a pack of its own: it may stay as it is */
  bool ok = (lua && w->size + size <= PACK_SIZE) || end_pack(w);
  unsigned char *more = ok ? realloc(w->bytes, w->size + size + 1) : NULL;
  if (more) {
    w->bytes = more;
    memcpy(more + w->size, bytes, size);
    *at = (place){w->size, size, w->packs};
    w->size += size;
    if (size == 0) *at = (place){0, 0, 0};
    if (!lua) ok = end_pack(w);
  }
  free(bytes);
  return more && ok;
}

static bool write_all(writer *w, char *const *paths, int count, bool stripped, place *places) {
  fprintf(w->out, "/* Made by scripts/embed.c. */\n#include \"vm/packages.h\"\n");
  for (int i = 0; i < count && strcmp(paths[i], without) != 0; i++)
    if (!add_file(w, paths[i], stripped, &places[i])) return false;
  if (!end_pack(w)) return false;
  fprintf(w->out, "const moonlet_pack moonlet__packs[] = {\n");
  for (int i = 0; i < w->packs; i++)
    fprintf(w->out, "  {pack_%d, %zu, %zu},\n", i, w->sizes[i], w->unpacked[i]);
  fprintf(w->out, "  {0, 0, 0}};\nconst moonlet_package moonlet__packages[] = {\n");
  const char *part = NULL;
  for (int i = 0; i < count; i++) {
    char name[NAME_MAX_LENGTH];
    if (strcmp(paths[i], without) == 0 && i + 1 < count) {
      part = paths[++i];
      continue;
    }
    if (!name_of(paths[i], name)) return false;
    fprintf(w->out, "  {\"%s\", \"%s\", %d, %zu, %zu},\n", name, part ? part : paths[i],
            part ? -1 : places[i].pack, places[i].offset, places[i].size);
  }
  fprintf(w->out, "  {0, 0, 0, 0, 0}};\n");
  return true;
}

int main(int argc, char **argv) {
  const bool stripped = argc > 1 && strcmp(argv[1], "-strip") == 0;
  char **rest = argv + 1 + stripped;
  const int count = argc - 2 - stripped;
  if (count < 0) {
    fprintf(stderr, "usage: embed [-strip] output.c file...\n");
    return 2;
  }
  static writer w;
  w.out = fopen(rest[0], "w");
  place *places = calloc((size_t)count + 1, sizeof *places);
  bool ok = places && w.out && write_all(&w, rest + 1, count, stripped, places);
  if (w.out && fclose(w.out) != 0) ok = false;
  free(places);
  free(w.bytes);
  if (ok) return 0;
  fprintf(stderr, "embed: cannot write %s\n", rest[0]);
  remove(rest[0]);
  return 1;
}
