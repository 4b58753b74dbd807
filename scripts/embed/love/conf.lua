-- LÖVE reads this before it opens the window.
function love.conf(t)
  t.identity = 'moonlit-moths'
  t.version = '11.4'
  t.window.title = 'Moonlit moths: agents that learn while you play'
  t.window.width, t.window.height = 960, 540
  t.window.msaa = 4
  t.modules.audio, t.modules.sound, t.modules.physics, t.modules.video = false, false, false, false
  t.modules.joystick = false
end
