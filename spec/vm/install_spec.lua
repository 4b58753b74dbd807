-- Installs the build into a folder of its own, and builds programs against that in the ways that
-- hosts know: pkg-config and CMake, in C and in C++.
local program = require('spec.vm.program')

local builds = { build = 'jit', ['build/lua5.4'] = '5.4' }
local lua = builds[program.build]
local shell = program.shell
local compiler = os.getenv('CC') or 'cc'
local has_cmake = select(2, shell('command -v cmake && command -v c++')) == 0

local function write(path, text)
  local file = assert(io.open(path, 'w'))
  file:write(text)
  file:close()
end

local project = [[
cmake_minimum_required(VERSION 3.13)
project(hello C CXX)
find_package(Moonlet %s REQUIRED)
configure_file(%s/scripts/embed/hello.c hello.cpp COPYONLY)
add_executable(hello %s/scripts/embed/hello.c)
target_link_libraries(hello PRIVATE Moonlet::moonlet)
add_executable(hello_static %s/scripts/embed/hello.c)
target_link_libraries(hello_static PRIVATE Moonlet::static)
add_executable(hello_cpp ${CMAKE_CURRENT_BINARY_DIR}/hello.cpp)
target_link_libraries(hello_cpp PRIVATE Moonlet::moonlet)
]]

if lua then
  describe('an installation', function()
    local folder = os.tmpname()
    os.remove(folder)
    local here = shell('pwd'):gsub('%s+$', '')
    local version = shell(program.path .. ' --version'):match('%d+%.%d+%.%d+')
    local text, status

    setup(function()
      text, status = shell(('unset MAKEFLAGS MAKELEVEL MFLAGS; make --no-print-directory install '
        .. 'NVCC= LUA=%s PREFIX=%s/usr'):format(lua, folder))
    end)
    teardown(function() shell('rm -rf ' .. folder) end)

    it('is made', function()
      assert.equal(0, status, text)
      assert.equal(0, select(2, shell(folder .. '/usr/bin/moonlet -e "torch.ones(1)"')))
    end)

    for language, run in pairs({ C = compiler .. ' -std=c99 -pedantic -Wall -Werror -x c',
        ['C++'] = 'c++ -std=c++11 -pedantic -Wall -Werror -x c++' }) do
      it('serves pkg-config in ' .. language, function()
        local output, code = shell(('cd %s && export PKG_CONFIG_PATH=$PWD/usr/lib/pkgconfig && '
          .. '%s %s/scripts/embed/hello.c $(pkg-config --cflags --libs moonlet) -o hello && '
          .. 'LD_LIBRARY_PATH=usr/lib ./hello'):format(folder, run, here))
        assert.equal('the norm of (3, 4) is 5\n', output)
        assert.equal(0, code)
      end)
    end

    it('has the header of the tensors, too', function()
      write(folder .. '/tensors.c', [[
#include <stdio.h>
#include <tensor/tensor.h>
int main(void) {
  tn_config config = {.size = sizeof config, .threads = 1};
  tn_ctx *ctx = tn_open(&config);
  tn_tensor *t = NULL;
  const int64_t sizes[] = {2, 3};
  if (ctx == NULL || tn_tensor_new(ctx, &t, TN_F32, 2, sizes) != TN_OK) return 1;
  printf("%lld of %d operations\n", (long long)tn_tensor_numel(t), TN_OP_COUNT > 200);
  tn_tensor_release(t);
  tn_close(ctx);
  return 0;
}
]])
      local output, code = shell(('cd %s && export PKG_CONFIG_PATH=$PWD/usr/lib/pkgconfig && '
        .. '%s -std=c11 -pedantic -Wall -Werror tensors.c $(pkg-config --cflags --libs moonlet) '
        .. '-o tensors && LD_LIBRARY_PATH=usr/lib ./tensors'):format(folder, compiler))
      assert.equal('6 of 1 operations\n', output)
      assert.equal(0, code)
    end)

    it('serves pkg-config with the static library', function()
      local output, code = shell(('cd %s && export PKG_CONFIG_PATH=$PWD/usr/lib/pkgconfig:'
        .. '$PKG_CONFIG_PATH && mkdir -p only && cp usr/lib/libmoonlet.a only && '
        .. '%s %s/scripts/embed/hello.c $(pkg-config --cflags moonlet) -Lonly '
        .. '$(pkg-config --static --libs moonlet) -o hello_static && ./hello_static')
        :format(folder, compiler, here))
      assert.equal('the norm of (3, 4) is 5\n', output)
      assert.equal(0, code)
    end)

    if has_cmake then
      it('serves find_package of CMake, also when it was moved', function()
        shell(('mkdir -p %s/project %s/moved && mv %s/usr %s/moved/usr')
          :format(folder, folder, folder, folder))
        write(folder .. '/project/CMakeLists.txt', project:format(version, here, here, here))
        local output, code = shell(('cd %s/project && unset MAKEFLAGS MAKELEVEL MFLAGS && '
          .. 'cmake -S . -B out -DCMAKE_PREFIX_PATH=%s/moved/usr && cmake --build out')
          :format(folder, folder))
        assert.equal(0, code, output)
        for _, name in ipairs({ 'hello', 'hello_static', 'hello_cpp' }) do
          output, code = shell(folder .. '/project/out/' .. name)
          assert.equal('the norm of (3, 4) is 5\n', output)
          assert.equal(0, code)
        end
        write(folder .. '/project/CMakeLists.txt', project:format('99.0', here, here, here))
        output, code = shell(('cd %s/project && cmake -S . -B other '
          .. '-DCMAKE_PREFIX_PATH=%s/moved/usr'):format(folder, folder))
        assert.is_true(code ~= 0)
        assert.matches('99.0', output)
      end)
    end
  end)
end
