/* prepared.c -- weights kept in the order in which kernels read them. */
#include "tensor/cpu/prepared.h"

#include "tensor/cpu/gemm.h"
#include "tensor/cpu/isa/gemm_kernel.h"

enum { HEAD = (sizeof(tn_prepared) + 63) / 64 * 64 };

tn_prepared *tn__prepared_take(tn_storage *keep, const void *maker, const void *of,
                               const int64_t key[3], size_t bytes) {
  if (keep == NULL) return NULL;
  tn_prepared *p = (tn_prepared *)tn__derived_take(keep, maker, of);
  if (p != NULL && memcmp(p->key, key, sizeof p->key) == 0) {
    p->fresh = false;
    return p;
  }
  tn__derived_free((tn_derived *)p);
  p = (tn_prepared *)tn__derived_new(keep, maker, of, HEAD + bytes);
  if (p == NULL) return NULL;
  memcpy(p->key, key, sizeof p->key);
  p->fresh = true;
  p->data = (char *)p + HEAD;
  return p;
}

void tn__prepared_put(tn_storage *keep, tn_prepared *p) {
  if (p != NULL) tn__derived_put(keep, &p->head);
}

tn_prepared *tn__prepared_panels(tn_storage *keep, const tn_gemm *g, size_t item) {
  static const char maker;
  const bool f32 = item == sizeof(float);
  const int64_t key[3] = {g->n, g->k, g->ldb};
  if (keep == NULL || !tn__gemm_packs(g, item)) return NULL;
  const int64_t count = f32 ? TN_ISA_PICK(tn__gemm_packed_f32)(g->n, g->k)
                            : TN_ISA_PICK(tn__gemm_packed_f64)(g->n, g->k);
  tn_prepared *p = tn__prepared_take(keep, &maker, g->b, key, (size_t)count * item);
  if (p == NULL || !p->fresh) return p;
  if (f32) TN_ISA_PICK(tn__gemm_pack_f32)(g->n, g->k, g->b, g->ldb, p->data);
  else TN_ISA_PICK(tn__gemm_pack_f64)(g->n, g->k, g->b, g->ldb, p->data);
  return p;
}
