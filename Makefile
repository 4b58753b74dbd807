# Moonlet. `make` builds everything this machine can into build/; `make help` lists the rest.
#
#   LUA=jit|5.4    the virtual machine; products of Lua 5.4 are in build/lua5.4/
#   EMBED=1        only libc, libm and Lua: no dlopen, no zlib, no readline (build/embed/)
#   WITHOUT=PARTS  what is left out, in words that `make parts` lists
#   SANITIZE=1     AddressSanitizer and UndefinedBehaviorSanitizer (build/asan/)
#   SANITIZE=thread  ThreadSanitizer (build/tsan/)
#   CC, BUILD      the compiler, the folder everything is built in
#
# Objects live in one folder per configuration and products remember the flags they were linked
# with, so switching back and forth never mixes anything.

# HOST_CC compiles what runs while building; CC may make programs for another machine.
HOST_CC ?= $(if $(findstring -linux-,$(CC)),cc,$(CC))
LUA ?= jit
EMBED ?=
SANITIZE ?=
# Parts that a build does without: `make parts` lists them. The widest vectors are a fifth of the
# embedded build.
WITHOUT ?= $(if $(EMBED),avx512)
BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
OPT ?= -O2 -g
WERROR ?= -Werror
JOBS ?= $(shell nproc 2>/dev/null || echo 2)

VERSION := $(shell sed -n 's/^\#define MOONLET_VERSION "\(.*\)".*/\1/p' vm/moonlet.h)

# ---- the virtual machine ----

ifeq ($(LUA),jit)
  LUA_PC := luajit
  LUA_ABI := 5.1
  LUA_LIB := luajit-5.1
else ifeq ($(LUA),5.4)
  LUA_PC := lua5.4
  LUA_ABI := 5.4
  LUA_LIB := lua5.4
else
  $(error LUA is jit or 5.4, not '$(LUA)')
endif

LUA_CFLAGS := $(shell pkg-config --cflags $(LUA_PC) 2>/dev/null)
LUA_LIBDIR := $(shell pkg-config --variable=libdir $(LUA_PC) 2>/dev/null)
# The executable carries all of Lua and exports it, so that C modules loaded later find it.
LUA_STATIC = -Wl,--whole-archive $(LUA_LIBDIR)/lib$(LUA_LIB).a -Wl,--no-whole-archive -ldl

# ---- folders of this configuration ----

sanitizer := $(if $(filter thread,$(SANITIZE)),tsan,$(if $(SANITIZE),asan))
kind := $(notdir $(CC))$(if $(sanitizer),-$(sanitizer))$(if $(EMBED),-embed)$(if \
  $(filter avx2,$(WITHOUT)),-plain)
variant := $(if $(sanitizer),/$(sanitizer))$(if $(EMBED),/embed)$(if \
  $(filter jit,$(LUA)),,/lua$(LUA))
OUT := $(BUILD)$(variant)
# tensor/ knows no Lua: both virtual machines share its objects.
T := $(BUILD)/obj/$(kind)
V := $(T)/$(LUA_PC)
P := $(V)$(if $(WITHOUT),/without)

# ---- flags ----

ifdef SANITIZE
  OPT := -O1 -g
  ISA_OPT := -O1
  SAN := $(if $(filter tsan,$(sanitizer)),-fsanitize=thread -Wno-tsan,-fsanitize=address,undefined) \
    -fno-sanitize-recover=all -fno-omit-frame-pointer
else
  # Not -O3: unrolled, peeled and versioned loops are twice the size and hardly faster.
  ISA_OPT := -O2 -ftree-vectorize
  ifeq ($(findstring clang,$(CC)),)
    ISA_OPT += -fvect-cost-model=dynamic --param vect-epilogues-nomask=0
  endif
  SAN :=
endif

C_FLAGS := -std=c11 -D_POSIX_C_SOURCE=200809L -D_DEFAULT_SOURCE -I. -Itensor -Ivm \
  -fPIC -fvisibility=hidden -pthread -pedantic -Wall -Wextra $(WERROR) $(OPT) $(SAN) \
  $(if $(findstring clang,$(CC)),-Wno-pass-failed,-fexcess-precision=fast) \
  $(if $(EMBED),-DMOONLET_EMBED=1 -DTN_EMBED=1) \
  $(addprefix -DTN_WITHOUT_,$(filter avx%,$(WITHOUT))) $(CPPFLAGS) $(CFLAGS)
# Lua errors unwind through the C functions of vm/, never through tensor/, which needs no tables
# for that; debuggers have their own.
TENSOR_FLAGS := $(C_FLAGS) $(if $(SANITIZE),,-fno-asynchronous-unwind-tables) \
  -ffunction-sections $(if $(EMBED),-falign-functions=4 -falign-jumps=1 -falign-labels=1 \
  -falign-loops=1)
VM_FLAGS := $(C_FLAGS) -ffunction-sections $(LUA_CFLAGS)
DEPS = -MMD -MP

# Where no call of a program's inner loop passes through, small is better than fast.
small_c := $(addprefix tensor/,backend.c device.c device_detour.c map.c pointwise_compose.c \
    streams.c subscript.c \
    cpu/fftw.c cpu/lapack.c cpu/special.c) \
  $(addprefix tensor/ops/,amax.c conv.c conv_classic.c custom.c diagonal.c \
    draws_counts.c elements.c member.c \
    put.c quantize.c reduce_dims.c scatter_reduce.c shapes.c stack.c statistics.c triangle.c \
    unique.c windows.c) $(wildcard tensor/ops/linalg*.c) \
  $(filter-out vm/bind.c vm/bind_call.c vm/bind_forms.c vm/bind_index.c vm/bind_json.c vm/json.c \
    vm/inflate.c,$(wildcard vm/*.c))
# In the embedded build that goes for all but the ways that every call takes, and the loops.
fast_c := $(addprefix tensor/,backward.c dispatch.c memory.c plan.c \
    shape.c storage.c tape.c tensor.c) \
  $(addprefix tensor/cpu/,move.c pool.c reduce.c winograd.c) \
  $(addprefix tensor/ops/,copy.c fill.c gather.c index.c reduce.c \
    softmax.c view.c)
ifdef EMBED
  small_c += $(filter-out $(small_c) $(fast_c),$(wildcard tensor/*.c tensor/ops/*.c tensor/cpu/*.c)) \
    vm/bind_forms.c vm/bind_index.c vm/bind_json.c vm/json.c
endif
small = $(if $(filter -O2,$(OPT)),$(if $(filter $<,$(small_c)),-Os))

# Kernels in tensor/cpu/isa/ are compiled once per instruction set; the best is chosen at run time.
isa_math := -fno-math-errno -fno-trapping-math -ffp-contract=fast
x86 := $(filter x86_64%,$(shell $(CC) -dumpmachine))
# Where there are others to choose from, hardly a machine is left that needs these.
isa_baseline := $(if $(SANITIZE),-O1,$(if $(x86),-Os,$(ISA_OPT))) $(isa_math)
isa_avx2 := $(ISA_OPT) $(isa_math) -mavx2 -mfma -mf16c
# Kernels that are a part of a call at most: in the embedded build small ones will do.
isa_small = $(if $(EMBED),$(if $(filter $(addprefix %/,$(addsuffix _kernel.c,convert factor int \
  random recurrent window)),$<),-Os))
isa_avx512 := $(ISA_OPT) $(isa_math) -mavx512f -mavx512dq -mavx512bw -mavx512vl -mfma -mf16c \
  -mprefer-vector-width=512
# Random numbers are to be the same, to the last bit, whether or not there are fused instructions.
exact = $(if $(filter %/random_kernel.c,$<),-ffp-contract=off)
ISAS := baseline $(if $(x86),$(filter-out $(WITHOUT),avx2 avx512))

comma := ,
space := $(subst ,, )
LD_FLAGS := $(LDFLAGS) -Wl,--gc-sections$(if $(EMBED),$(comma)-z$(comma)noseparate-code)
LIBS := $(if $(EMBED),,-lz -ldl) -lm -pthread
EXE_LIBS := $(if $(EMBED),,-lreadline) $(LIBS)

# ---- sources ----

tensor_c := $(wildcard tensor/*.c tensor/ops/*.c tensor/cpu/*.c)
isa_c := $(wildcard tensor/cpu/isa/*.c)
exe_c := vm/main.c $(wildcard vm/repl*.c)
module_c := vm/module.c
vm_c := $(filter-out $(exe_c),$(wildcard vm/*.c))
test_c := $(wildcard spec/tensor/*.c)
# What a state with torch and nn loads stands first, and so in the same packs.
first := $(wildcard stdlib/torch/init.lua stdlib/torch/class.lua $(addprefix nn/,init.lua \
  Module.lua run.lua values.lua parameters.lua flatten.lua conversion.lua Container.lua \
  Criterion.lua))
# The embedded build has no devices, and the digits are more than it may weigh.
devices_lua := stdlib/torch/cuda.lua stdlib/cutorch/% nn/packages/cunn/% nn/packages/cudnn/% \
  nn/containers/DataParallelTable.lua stdlib/torch/GradScaler.lua
packages := $(first) $(filter-out $(first) $(if $(EMBED),$(devices_lua)),$(sort \
  $(shell find stdlib nn -name '*.lua' $(if $(EMBED),,-o -name '*.gz') 2>/dev/null)))

# What WITHOUT may name: sources of operations, which nothing else calls, or Lua files.
parts_c := attention convolution ctc fft linalg recurrent statistics
parts_lua := data extras models optim testing
parts := avx2 avx512 $(parts_c) $(parts_lua)
attention_c := ops/attention ops/attention_blocks ops/rotary cpu/isa/attention_kernel
convolution_c := ops/conv ops/conv_classic ops/convolve ops/fold cpu/im2col
ctc_c := ops/ctc
fft_c := ops/fft cpu/fft cpu/fft_builtin cpu/fftw
linalg_c := $(addprefix ops/linalg_,eigen qr solve triangle) \
  $(addprefix cpu/,lapack lapack_builtin lapack_eigen lapack_schur isa/factor_kernel)
recurrent_c := ops/recurrent cpu/recurrent cpu/isa/recurrent_kernel
statistics_c := ops/statistics ops/counts ops/quantize ops/distance
data_lua := stdlib/data/% stdlib/image/%
extras_lua := nn/packages/%
models_lua := nn/models/%
optim_lua := stdlib/optim/%
testing_lua := $(addprefix stdlib/torch/,Tester.lua TestSuite.lua gradcheck.lua selftest.lua) \
  $(addprefix nn/,Jacobian.lua SparseJacobian.lua hessian.lua selftest.lua)
$(foreach p,$(WITHOUT),$(if $(filter $p,$(parts)),,$(error WITHOUT: '$p' is none of $(parts))))
left := $(filter $(parts_c),$(WITHOUT))
left_lua := $(filter $(parts_lua),$(WITHOUT))

objects_of = $(patsubst %.c,$(T)/%.o,$(filter-out $(isa_c),$1)) \
  $(foreach i,$(ISAS),$(patsubst %.c,$(T)/%.$i.o,$(filter $(isa_c),$1)))
sources_of = $(patsubst %,tensor/%.c,$($1_c))
all_tensor_o := $(call objects_of,$(tensor_c) $(isa_c))
tensor_o := $(filter-out $(foreach p,$(left),$(call objects_of,$(call sources_of,$p))), \
  $(all_tensor_o)) $(if $(left),$(OUT)/left_out.o)
vm_o := $(vm_c:%.c=$(V)/%.o) $(P)/lua_packages.o
exe_o := $(exe_c:%.c=$(V)/%.o)
module_o := $(module_c:%.c=$(V)/%.o)
tests := $(test_c:%.c=$(T)/%)

products := $(addprefix $(OUT)/,moonlet th libmoonlet.a libmoonlet.so moonlet.so)

.PHONY: all help parts objects docs test demo bench install uninstall clean lint sanitize cuda \
  c-tests size \
  FORCE
.DELETE_ON_ERROR:

all: $(products) cuda

help:
	@echo 'make            everything this machine can build, into $(BUILD)/'
	@echo 'make demo       sets up, builds, and trains a network on handwritten digits'
	@echo 'make test       sets up, builds, and runs all tests on LuaJIT and Lua 5.4'
	@echo 'make sanitize   all tests under AddressSanitizer and UndefinedBehaviorSanitizer'
	@echo 'make race       what threads do at once, under ThreadSanitizer'
	@echo 'make c-tests    the C tests of tensor/ alone'
	@echo 'make bench      the table of speeds beside PyTorch'
	@echo 'make lint       luacheck, layers, and a second compiler'
	@echo 'make cuda       the GPU plug-in, where nvcc is found'
	@echo 'make docs       the embedding API as a page of HTML and man pages, in $(BUILD)/docs/'
	@echo 'make size       size of the stripped products'
	@echo 'make parts      what WITHOUT="PART ..." leaves out of a build (avx512 of EMBED=1)'
	@echo 'make amalgamation  moonlet.c and moonlet.h in $(BUILD)/amalgamation'
	@echo 'make install    PREFIX=$(PREFIX) DESTDIR=$(DESTDIR); make uninstall takes it back'
	@echo 'make clean      removes $(BUILD)/'

# ---- compiling ----

# Rewritten only when the flags change, and then everything that depends on it is made again.
define remember
@mkdir -p $(@D)
@echo '$(subst ','\'',$1)' | cmp -s - $@ || echo '$(subst ','\'',$1)' > $@
endef

$(T)/flags: FORCE
	$(call remember,$(CC) $(TENSOR_FLAGS) $(isa_avx512) $(filter tensor/%,$(small_c)))
$(V)/flags: FORCE
	@test -n '$(LUA_LIBDIR)' || \
	  { echo 'no development files of $(LUA_PC): run scripts/setup --test'; exit 1; }
	$(call remember,$(CC) $(VM_FLAGS) $(filter vm/%,$(small_c)))
$(P)/packages: FORCE
	$(call remember,$(packages) $(left_lua))
$(OUT)/flags: FORCE
	$(call remember,$(CC) $(VM_FLAGS) $(LDFLAGS) $(EXE_LIBS) $(tensor_o) $(vm_o) $(exe_o))

$(T)/tensor/%.o: tensor/%.c $(T)/flags
	@mkdir -p $(@D)
	$(CC) $(TENSOR_FLAGS) $(small) $(DEPS) -c $< -o $@

define isa_rule
$(T)/tensor/cpu/isa/%.$1.o: tensor/cpu/isa/%.c $(T)/flags
	@mkdir -p $$(@D)
	$(CC) $(TENSOR_FLAGS) $(isa_$1) $$(isa_small) $$(exact) -DTN_ISA=$1 $(DEPS) -c $$< -o $$@
endef
$(foreach i,$(ISAS),$(eval $(call isa_rule,$i)))

$(V)/vm/%.o: vm/%.c $(V)/flags
	@mkdir -p $(@D)
	$(CC) $(VM_FLAGS) $(small) $(DEPS) -c $< -o $@

# The Lua packages, and the data beside them, become one C file of the library.
$(T)/embed: scripts/embed.c $(T)/flags
	$(HOST_CC) -std=c11 -D_POSIX_C_SOURCE=200809L -O1 -Wall -Wextra $(WERROR) $< -o $@ -lz
packages_in := $(filter-out $(foreach p,$(left_lua),$($p_lua)),$(packages))
$(P)/lua_packages.c: $(T)/embed $(P)/packages $(packages)
	$(T)/embed $(if $(EMBED),-strip) $@ $(packages_in) \
	  $(foreach p,$(left_lua),-without $p $(filter $($p_lua),$(packages)))
$(P)/lua_packages.o: $(P)/lua_packages.c $(V)/flags
	$(CC) $(VM_FLAGS) $(DEPS) -c $< -o $@

.PHONY: packages-c amalgamation
packages-c: $(P)/lua_packages.c
	cp $< $(BUILD)/lua_packages.c
amalgamation:
	scripts/amalgamate $(BUILD)/amalgamation

# Operations that are left out keep a row, which says so. Their names are those that the objects
# of their files would define.
NM ?= $(if $(findstring -linux-,$(CC)),$(firstword $(CC:%-gcc=%-nm)),nm)
left_o := $(foreach p,$(left),$(call objects_of,$(call sources_of,$p)))
$(OUT)/left_out.c: $(left_o) $(OUT)/flags
	@{ echo '#include "tensor/left_out.h"'; $(foreach p,$(left), \
	  $(NM) $(call objects_of,$(call sources_of,$p)) | \
	    sed -n 's/^[0-9a-f]* [A-Z] tn__op_\(.*\)/TN_LEFT_OUT(\1, "$p")/p';) \
	  echo '$(if $(filter linalg,$(left)),TN_LEFT_OUT_LAPACK)'; \
	  echo '$(if $(filter fft,$(left)),TN_LEFT_OUT_FFT)'; } > $@
$(OUT)/left_out.o: $(OUT)/left_out.c tensor/left_out.h $(T)/flags
	$(CC) $(TENSOR_FLAGS) -Os $(DEPS) -c $< -o $@

objects: $(tensor_o) $(vm_o) $(exe_o) $(module_o) $(test_c:%.c=$(T)/%.o)

# ---- linking ----

# The loader's list of 4000 addresses takes 95 KB, or 2 KB in the packed form, which the linker
# and the C library must both know (glibc does since 2.36): so a program that needs it is tried.
packed := $(if $(SANITIZE),,-Wl,-z,pack-relative-relocs)
$(T)/relocations: $(T)/flags
	@echo 'static int x; int *volatile p = &x; int main(void) { return p != &x; }' > $@.c
	@if ! $(CC) $(CFLAGS) $(LDFLAGS) $(packed) -fPIE -pie -o $@.out $@.c 2>&1 | grep -q . && \
	  $(abspath $@).out; then echo '$(packed)'; fi > $@
relocations = $$(cat $(T)/relocations)

$(OUT)/libmoonlet.a: $(tensor_o) $(vm_o) $(OUT)/flags
	@rm -f $@
	$(AR) rcs $@ $(filter %.o,$^)

$(OUT)/libmoonlet.so: $(tensor_o) $(vm_o) $(OUT)/flags $(T)/relocations
	$(CC) -shared $(SAN) $(LD_FLAGS) $(relocations) $(if $(SAN),,-Wl,-z,defs) -Wl,-soname,$(@F) -o $@ \
	  $(filter %.o,$^) -L$(LUA_LIBDIR) -l$(LUA_LIB) $(LIBS)

# A guest of somebody else's Lua: it takes lua_* from the program that loads it.
$(OUT)/moonlet.so: $(module_o) $(OUT)/libmoonlet.a $(OUT)/flags $(T)/relocations
	$(CC) -shared $(SAN) $(LD_FLAGS) $(relocations) -o $@ $(module_o) $(OUT)/libmoonlet.a $(LIBS)

$(OUT)/moonlet: $(exe_o) $(OUT)/libmoonlet.a $(OUT)/flags $(T)/relocations
	$(CC) $(SAN) $(LD_FLAGS) $(relocations) -Wl,-E -o $@ $(exe_o) \
	  -Wl,--whole-archive $(OUT)/libmoonlet.a -Wl,--no-whole-archive $(LUA_STATIC) $(EXE_LIBS)

$(OUT)/th: $(OUT)/moonlet
	ln -sf moonlet $@

# ---- the GPU plug-in: no Lua and no host code in it, so one serves every configuration ----

NVCC ?= $(firstword $(shell command -v nvcc) $(wildcard /usr/local/cuda/bin/nvcc))
cuda_src := $(wildcard cuda/*.cu cuda/ops/*.cu cuda/*.c cuda/lib/*.c)
cuda_o := $(cuda_src:%=$(BUILD)/obj/cuda/%.o)
# Machine code for compute capability 8.0 and 9.0, from one pass of the compiler's front end, and
# PTX for whatever comes later.
CUDA_ARCH := -gencode arch=compute_80,code=[sm_80,sm_90,compute_80]
NVCC_FLAGS := -O3 -std=c++17 -I. -Itensor $(CUDA_ARCH) -Xfatbin -compress-all \
  -Xcompiler -fPIC,-fvisibility=hidden,-Wall,-Wextra$(if $(WERROR),$(comma)-Werror)
CUDA_INCLUDE = $(dir $(NVCC))../include

$(BUILD)/obj/cuda/flags: FORCE
	$(call remember,$(NVCC) $(NVCC_FLAGS) $(CC) $(C_FLAGS) $(cuda_src))
$(BUILD)/obj/cuda/%.cu.o: %.cu $(BUILD)/obj/cuda/flags
	@mkdir -p $(@D)
	$(NVCC) $(NVCC_FLAGS) -MD -MP -MF $(@:.o=.d) -c $< -o $@
$(BUILD)/obj/cuda/%.c.o: %.c $(BUILD)/obj/cuda/flags
	@mkdir -p $(@D)
	$(CC) $(C_FLAGS) -isystem $(CUDA_INCLUDE) $(DEPS) -c $< -o $@
$(BUILD)/libmoonlet-cuda.so: $(cuda_o)
	$(NVCC) -shared -cudart static -Xlinker --exclude-libs=ALL,-z,defs,--as-needed \
	  -Xcompiler -static-libstdc++,-static-libgcc -o $@ $(cuda_o)

ifneq ($(and $(NVCC),$(cuda_src),$(if $(SANITIZE)$(EMBED),,yes)),)
cuda: $(BUILD)/libmoonlet-cuda.so
else
cuda:
endif

# The same kernels for the CPU: a plug-in that the specs use where there is no GPU. Each file is
# compiled as C++, with a launch of a kernel as a loop (spec/cuda/emulated, which has plain loops in
# place of CUDA's libraries, too).
emulated_src := $(wildcard cuda/*.cu cuda/ops/*.cu cuda/*.c spec/cuda/emulated/*.cpp)
emulated_o := $(emulated_src:%=$(BUILD)/obj/emulated/%.o)
EMULATED_FLAGS := -O1 -g -fPIC -fvisibility=hidden -ffp-contract=off -DTN_CUDA_EMULATED -I. \
  -Itensor -Ispec/cuda/emulated -Wall -Wextra -Wno-unknown-pragmas -Wno-unused-parameter \
  -Wno-cast-function-type $(WERROR)

$(BUILD)/obj/emulated/flags: FORCE
	$(call remember,$(CXX) $(EMULATED_FLAGS) $(CC) $(emulated_src))
$(BUILD)/obj/emulated/%.c.o: %.c $(BUILD)/obj/emulated/flags
	@mkdir -p $(@D)
	$(CC) -std=gnu11 $(EMULATED_FLAGS) $(DEPS) -c $< -o $@
$(BUILD)/obj/emulated/%.o: % $(BUILD)/obj/emulated/flags
	@mkdir -p $(@D)
	$(CXX) -std=c++17 -x c++ -include emulator.h $(EMULATED_FLAGS) $(DEPS) -c $< -o $@
$(BUILD)/emulated/libmoonlet-cuda.so: $(emulated_o)
	@mkdir -p $(@D)
	$(CXX) -shared -Wl,-z,defs -o $@ $^ -lm

# ---- tests ----

$(T)/libtensor.a: $(all_tensor_o)
	@rm -f $@
	$(AR) rcs $@ $^
$(T)/spec/%.o: spec/%.c $(T)/flags
	@mkdir -p $(@D)
	$(CC) $(C_FLAGS) $(DEPS) -c $< -o $@
$(tests): %: %.o $(T)/libtensor.a
	$(CC) $(SAN) $(LDFLAGS) -o $@ $^ $(LIBS)
.SECONDARY: $(test_c:%.c=$(T)/%.o)

c-tests: $(tests)
	@spec/support/run c $(T)

# For a make inside of this one: in parallel also where this one was not asked to be.
nested = --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(JOBS))

test:
	@scripts/setup --test
	@scripts/setup --embed || echo 'some examples of embedding cannot run here, and are skipped'
	@$(MAKE) $(nested) LUA=jit all test-programs $(BUILD)/emulated/libmoonlet-cuda.so
	@$(MAKE) $(nested) LUA=5.4 all
	@CC='$(CC)' spec/support/run all $(T) $(BUILD) $(BUILD)/lua5.4

.PHONY: test-programs
test-programs: $(tests)
	@:

sanitize:
	@scripts/setup --test
	@$(MAKE) $(nested) SANITIZE=1 LUA=jit all test-programs
	@$(MAKE) $(nested) SANITIZE=1 LUA=5.4 all
	@CC='$(CC) -fsanitize=address,undefined' MOONLET_FUZZ_SECONDS=$${MOONLET_FUZZ_SECONDS:-40} \
	  spec/support/run all $(T)-asan $(BUILD)/asan $(BUILD)/asan/lua5.4

# What several threads do at once, under ThreadSanitizer. The virtual machine itself is not looked
# into; a state belongs to one thread at a time.
race_tests := $(addprefix $(T)/spec/,tensor/pool_test tensor/threads_test vm/threads_test vm/worker_test)
race:
	@scripts/setup --test
	@$(MAKE) $(nested) SANITIZE=thread LUA=5.4 race-programs
	@spec/support/run c $(BUILD)/obj/$(notdir $(CC))-tsan

.PHONY: race race-programs
race-programs: $(race_tests)
	@:
$(T)/spec/vm/%_test: spec/vm/%_test.c $(OUT)/libmoonlet.a $(OUT)/flags
	@mkdir -p $(@D)
	$(CC) $(C_FLAGS) $(LDFLAGS) -o $@ $< $(OUT)/libmoonlet.a -L$(LUA_LIBDIR) -l$(LUA_LIB) $(LIBS)

demo:
	@scripts/setup
	@$(MAKE) $(nested) all
	@$(OUT)/moonlet scripts/train/mnist.lua -save $(OUT)/mnist-checkpoint.t7 $(ARGS)

bench_tools := $(addprefix $(T)/scripts/bench/,spawn sgemm_direct frozen)
$(bench_tools): $(T)/%: %.c $(T)/libtensor.a $(T)/flags
	@mkdir -p $(@D)
	$(CC) $(C_FLAGS) $(LDFLAGS) -o $@ $< $(T)/libtensor.a $(LIBS)

# Links against the library of this build.
$(OUT)/states: scripts/bench/states.c $(OUT)/libmoonlet.a
	$(CC) $(C_FLAGS) $(LDFLAGS) -o $@ $^ -L$(LUA_LIBDIR) -l$(LUA_LIB) $(LIBS)

bench: all $(bench_tools) $(OUT)/states
	@$(MAKE) $(nested) EMBED=1 NVCC= $(BUILD)/embed$(variant)/libmoonlet.so
	@$(OUT)/moonlet scripts/bench/run.lua $(OUT) $(T)/scripts/bench

lint:
	scripts/check-layers
	luacheck --no-color --quiet .
	@if command -v clang >/dev/null; then $(MAKE) $(nested) CC=clang objects; \
	  else echo 'no clang: skipped the second compiler'; fi

parts:
	@echo 'avx2         kernels for AVX2: less than half as fast on most machines'
	@echo 'avx512       kernels for AVX-512'
	@echo 'attention    scaled_dot_product_attention and rotary positions'
	@echo 'convolution  convolutions of all kinds, fold and unfold'
	@echo 'ctc          the CTC loss'
	@echo 'fft          Fourier transforms'
	@echo 'linalg       decompositions, solvers and what is made of them'
	@echo 'recurrent    the fused kernels of nn.LSTM and nn.GRU'
	@echo 'statistics   quantiles, histograms, counts, quantization, distances'
	@echo 'data         the package data, image distortions'
	@echo 'extras       nngraph, rnn, dpnn and the other packages beside nn'
	@echo 'models       the zoo of nn.models'
	@echo 'optim        the package optim'
	@echo 'testing      torch.Tester, gradient checks, nn.Jacobian'

docs: $(OUT)/moonlet
	@rm -rf $(OUT)/docs
	@$(OUT)/moonlet scripts/docs/header.lua vm/moonlet.h $(OUT)/docs

size: $(products)
	@mkdir -p $(OUT)/stripped
	@for f in moonlet libmoonlet.so moonlet.so; do \
	  strip -o $(OUT)/stripped/$$f $(OUT)/$$f && \
	  printf '%9d bytes  %s, stripped\n' $$(wc -c < $(OUT)/stripped/$$f) $$f; done

# ---- installing ----

bin := $(DESTDIR)$(PREFIX)/bin
lib := $(DESTDIR)$(PREFIX)/lib
inc := $(DESTDIR)$(PREFIX)/include/moonlet
man := $(DESTDIR)$(PREFIX)/share/man/man1
man3 := $(DESTDIR)$(PREFIX)/share/man/man3
doc := $(DESTDIR)$(PREFIX)/share/doc/moonlet
lua_lib := $(lib)/lua/$(LUA_ABI)
pc := $(lib)/pkgconfig/moonlet.pc
cmake := $(lib)/cmake/Moonlet
fill := sed -e 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|; s|@LUA@|$(LUA_PC)|' \
  -e 's|@LUA_LIB@|$(LUA_LIB)|; s|@LUA_LIBDIR@|$(LUA_LIBDIR)|'

install: all docs
	install -d $(bin) $(lib)/pkgconfig $(cmake) $(lua_lib) $(inc)/tensor $(man) $(man3) $(doc)
	install -s $(OUT)/moonlet $(bin)/moonlet
	ln -sf moonlet $(bin)/th
	install -m 644 $(OUT)/libmoonlet.a $(lib)
	strip -g $(lib)/libmoonlet.a
	install -s $(OUT)/libmoonlet.so $(lib)
	install -s $(OUT)/moonlet.so $(lua_lib)
	if test -f $(BUILD)/libmoonlet-cuda.so; then install -s $(BUILD)/libmoonlet-cuda.so $(lib); fi
	install -m 644 vm/moonlet.h $(inc)
	install -m 644 tensor/tensor.h tensor/budget.h tensor/ops.def tensor/pointwise.def \
	  tensor/pointwise_rare.def $(inc)/tensor
	$(fill) -e 's|@LIBS@|$(LIBS)|' scripts/install/moonlet.pc.in > $(pc)
	$(fill) -e 's|@LIBS@|$(subst $(space),;,$(patsubst -l%,%,$(LIBS)))|' \
	  scripts/install/MoonletConfig.cmake.in > $(cmake)/MoonletConfig.cmake
	$(fill) scripts/install/MoonletConfigVersion.cmake.in > $(cmake)/MoonletConfigVersion.cmake
	sed 's|@VERSION@|$(VERSION)|' scripts/install/moonlet.1 > $(man)/moonlet.1
	ln -sf moonlet.1 $(man)/th.1
	install -m 644 $(OUT)/docs/man3/*.3 $(man3)
	install -m 644 $(OUT)/docs/moonlet.html $(doc)

uninstall:
	rm -f $(bin)/moonlet $(bin)/th $(lib)/libmoonlet.a $(lib)/libmoonlet.so \
	  $(lib)/libmoonlet-cuda.so $(lua_lib)/moonlet.so $(pc) $(man)/moonlet.1 $(man)/th.1
	rm -f $(man3)/moonlet*.3 $(man3)/MOONLET*.3 $(man3)/luaopen_moonlet.3
	rm -rf $(inc) $(doc) $(cmake)

clean:
	rm -rf $(BUILD)

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
