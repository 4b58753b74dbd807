/* library.h -- CUDA's libraries, opened when first needed: the plug-in is small, loads at once, and
 * works without those that nothing asks for. A wrapper lists the functions it calls:
 *
 *   static struct { cublasStatus_t (*cublasLtCreate)(cublasLtHandle_t *); ... } f;
 *   static const tn_symbol symbols[] = {TN_SYMBOL(f, cublasLtCreate), ...};
 *   static tn_library library = {.files = {"libcublasLt.so.13"}, .symbols = symbols,
 *                                .count = sizeof symbols / sizeof *symbols};
 *   tn_status s = tn_cuda_library(&library);
 *
 * They are looked for where the system looks and in the folders of MOONLET_CUDA_LIBRARIES (separated
 * by colons). */
#ifndef TN_CUDA_LIBRARY_H
#define TN_CUDA_LIBRARY_H

#include "cuda/device.h"

typedef struct {
  const char *name;
  void *at; /* of the pointer to be filled */
} tn_symbol;

#define TN_SYMBOL(table, function) {#function, &(table).function}

typedef struct {
  const char *files[4]; /* any one of them; NULL ends the list */
  const tn_symbol *symbols;
  int count;
  int state; /* 0: not tried; 1: open; 2: cannot be had */
  char problem[200];
} tn_library;

/* TN_OK once it is open; else TN_EDEVICE, with a message that names the file. */
tn_status tn_cuda_library(tn_library *library);

#endif
