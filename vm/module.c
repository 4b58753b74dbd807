/* module.c -- `require "moonlet"` in somebody else's LuaJIT or Lua 5.4. */
#include "moonlet.h"

#include "packages.h"

int luaopen_moonlet(lua_State *L) {
  return moonlet_packages_module(L);
}
