/* embed.c -- build tool: packs files into one C source, as the table that vm/packages.h declares.
 *
 *   embed output.c file...
 *
 * A Lua file is named as `require` names it: stdlib/torch/init.lua -> torch,
 * nn/layers/Linear.lua -> nn.layers.Linear, nn/packages/graph/Node.lua -> graph.Node. Any other file (data) is named by its path. What
 * zlib makes much smaller is packed that way, unless the library is built without zlib. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef MOONLET_EMBED
#include <zlib.h>
#endif

enum { NAME_MAX_LENGTH = 512, BYTES_PER_LINE = 24 };

static int ends_with(const char *text, const char *ending) {
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

static int name_of(const char *path, char *name) {
  if (strlen(path) >= NAME_MAX_LENGTH) return 0;
  if (!ends_with(path, ".lua")) return strcpy(name, path) != NULL;
  strcpy(name, without_folder(path));
  name[strlen(name) - strlen(ends_with(name, "/init.lua") ? "/init.lua" : ".lua")] = '\0';
  for (char *c = name; *c; c++)
    if (*c == '/') *c = '.';
  return 1;
}

typedef struct {
  unsigned char *bytes;
  size_t size, unpacked; /* unpacked: as in moonlet_package */
} content;

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

/* Data that is compressed already would gain a few bytes and cost time whenever it is read, so
 * an eighth has to be saved. */
static void pack(content *c) {
#ifdef MOONLET_EMBED
  (void)c;
#else
  uLongf size = compressBound((uLong)c->size);
  unsigned char *bytes = malloc(size);
  if (bytes && compress2(bytes, &size, c->bytes, (uLong)c->size, Z_BEST_COMPRESSION) == Z_OK &&
      size < c->size - c->size / 8) {
    free(c->bytes);
    *c = (content){bytes, size, c->size};
  } else {
    free(bytes);
  }
#endif
}

/* Writes one array. A byte more than the file has, a zero, so that an empty file is no empty
 * array (which C forbids). */
static void write_bytes(FILE *out, const content *c, int index) {
  fprintf(out, "static const unsigned char file_%d[] = {\n", index);
  for (size_t i = 0; i < c->size; i++)
    fprintf(out, (i + 1) % BYTES_PER_LINE ? "%d," : "%d,\n", c->bytes[i]);
  fprintf(out, "0};\n");
}

static int write_all(FILE *out, char *const *paths, int count, content *files) {
  fprintf(out, "/* Made by scripts/embed.c. */\n#include \"vm/packages.h\"\n");
  for (int i = 0; i < count; i++) {
    files[i].bytes = read_file(paths[i], &files[i].size);
    if (!files[i].bytes) {
      fprintf(stderr, "embed: cannot read %s\n", paths[i]);
      return 0;
    }
    pack(&files[i]);
    write_bytes(out, &files[i], i);
  }
  fprintf(out, "const moonlet_package moonlet__packages[] = {\n");
  for (int i = 0; i < count; i++) {
    char name[NAME_MAX_LENGTH];
    if (!name_of(paths[i], name)) return 0;
    fprintf(out, "  {\"%s\", \"%s\", file_%d, %zu, %zu},\n", name, paths[i], i, files[i].size,
            files[i].unpacked);
  }
  fprintf(out, "  {0, 0, 0, 0, 0}};\n");
  return 1;
}

int main(int argc, char **argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: embed output.c file...\n");
    return 2;
  }
  int count = argc - 2;
  content *files = calloc((size_t)count + 1, sizeof *files);
  FILE *out = fopen(argv[1], "w");
  int ok = files && out && write_all(out, argv + 2, count, files);
  if (out && fclose(out) != 0) ok = 0;
  for (int i = 0; files && i < count; i++) free(files[i].bytes);
  free(files);
  if (ok) return 0;
  fprintf(stderr, "embed: cannot write %s\n", argv[1]);
  remove(argv[1]);
  return 1;
}
