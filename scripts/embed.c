/* embed.c -- build tool: packs files into one C source, as the table that vm/packages.h declares.
 *
 *   embed output.c file...
 *
 * A Lua file is named as `require` names it: stdlib/torch/init.lua -> torch,
 * nn/layers/Linear.lua -> nn.layers.Linear. Any other file (data) is named by its path. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_LENGTH = 512, BYTES_PER_LINE = 24 };

static int ends_with(const char *text, const char *ending) {
  size_t n = strlen(text), m = strlen(ending);
  return n >= m && strcmp(text + n - m, ending) == 0;
}

static int name_of(const char *path, char *name) {
  if (strlen(path) >= NAME_MAX_LENGTH) return 0;
  if (!ends_with(path, ".lua")) return strcpy(name, path) != NULL;
  strcpy(name, strncmp(path, "stdlib/", 7) == 0 ? path + 7 : path);
  name[strlen(name) - strlen(ends_with(name, "/init.lua") ? "/init.lua" : ".lua")] = '\0';
  for (char *c = name; *c; c++)
    if (*c == '/') *c = '.';
  return 1;
}

/* Writes one array; -1 when the file cannot be read. A byte more than the file has, a zero, so
 * that an empty file is no empty array (which C forbids). */
static long write_bytes(FILE *out, const char *path, int index) {
  FILE *in = fopen(path, "rb");
  long size = 0;
  int c;
  if (!in) return -1;
  fprintf(out, "static const unsigned char file_%d[] = {\n", index);
  while ((c = getc(in)) != EOF) fprintf(out, ++size % BYTES_PER_LINE ? "%d," : "%d,\n", c);
  fprintf(out, "0};\n");
  if (ferror(in)) size = -1;
  fclose(in);
  return size;
}

static int write_all(FILE *out, char *const *paths, int count, long *sizes) {
  fprintf(out, "/* Made by scripts/embed.c. */\n#include \"vm/packages.h\"\n");
  for (int i = 0; i < count; i++) {
    sizes[i] = write_bytes(out, paths[i], i);
    if (sizes[i] < 0) {
      fprintf(stderr, "embed: cannot read %s\n", paths[i]);
      return 0;
    }
  }
  fprintf(out, "const moonlet_package moonlet__packages[] = {\n");
  for (int i = 0; i < count; i++) {
    char name[NAME_MAX_LENGTH];
    if (!name_of(paths[i], name)) return 0;
    fprintf(out, "  {\"%s\", \"%s\", file_%d, %ld},\n", name, paths[i], i, sizes[i]);
  }
  fprintf(out, "  {0, 0, 0, 0}};\n");
  return 1;
}

int main(int argc, char **argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: embed output.c file...\n");
    return 2;
  }
  int count = argc - 2;
  long *sizes = calloc((size_t)count + 1, sizeof *sizes);
  FILE *out = fopen(argv[1], "w");
  int ok = sizes && out && write_all(out, argv + 2, count, sizes);
  if (out && fclose(out) != 0) ok = 0;
  free(sizes);
  if (ok) return 0;
  fprintf(stderr, "embed: cannot write %s\n", argv[1]);
  remove(argv[1]);
  return 1;
}
