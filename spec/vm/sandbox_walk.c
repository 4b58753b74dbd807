/* sandbox_walk.c -- prints what walk.lua finds in a sandbox. */
#include "moonlet.h"

#include <lauxlib.h>
#include <lua.h>

#include <stdio.h>

static int is_c(lua_State *L) {
  lua_pushboolean(L, lua_iscfunction(L, 1));
  return 1;
}

int main(int argc, char **argv) {
  moonlet_config config = MOONLET_CONFIG_INIT;
  config.sandbox = MOONLET_SANDBOX;
  moonlet *m = moonlet_open(&config);
  lua_State *L = m ? moonlet_state(m) : NULL;
  if (!L || argc < 2) return 1;
  if (luaL_loadfile(L, argv[1]) == 0) {
    lua_pushcfunction(L, is_c);
    if (lua_pcall(L, 1, 1, 0) == 0) {
      fputs(lua_tostring(L, -1), stdout);
      lua_pop(L, 1);
      return moonlet_close(m) == MOONLET_OK ? 0 : 1;
    }
  }
  fprintf(stderr, "%s\n", lua_tostring(L, -1));
  return 1;
}
