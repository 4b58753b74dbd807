--- Makes a page of HTML and man pages of a C header whose comments say it all:
--
--   moonlet scripts/docs/header.lua vm/moonlet.h build/docs
--
-- writes moonlet.html, and man3/NAME.3 for each function and type. A comment belongs to the
-- declarations that follow without an empty line; `/* -- title -- */` begins a section. In
-- comments, an empty line ends a paragraph, and lines that are indented stay as they are.
local source, target = ...
if not target then
  io.stderr:write('usage: header.lua HEADER FOLDER\n')
  os.exit(2)
end

-- ---------------------------------------------------------------------------------------------
-- Reading.

-- A comment's text as paragraphs: {text} to be filled, or {lines, verbatim = true}.
local function paragraphs(lines)
  local list, current = {}, nil
  for _, line in ipairs(lines) do
    local verbatim = line:find('^%s') ~= nil
    if line == '' then
      if current and current.verbatim then current[#current + 1] = '' end
      if current and not current.verbatim then current = nil end
    elseif current and current.verbatim == verbatim then
      current[#current + 1] = line
    else
      current = {line, verbatim = verbatim}
      list[#list + 1] = current
    end
  end
  for _, p in ipairs(list) do
    while p[#p] == '' do p[#p] = nil end
  end
  return list
end

-- Takes the frame of a comment away.
local function comment_lines(text)
  local lines = {}
  text = text:gsub('^/%*%s?', ''):gsub('%s*%*/$', '')
  for line in (text .. '\n'):gmatch('(.-)\n') do
    lines[#lines + 1] = (line:gsub('^%s%*%s?', ''):gsub('%s+$', ''))
  end
  return lines
end

-- The names that code declares: functions, types, and macros that stand for values.
local function names_of(code)
  local names, seen = {}, {}
  local function add(name)
    if name and not seen[name] then
      seen[name] = true
      names[#names + 1] = name
    end
  end
  local flat = code:gsub('/%*.-%*/', ''):gsub('%s+', ' ')
  for name in flat:gmatch('MOONLET_API [^;]-([%w_]+)%(') do add(name) end
  for name in flat:gmatch('typedef enum ([%w_]+)') do add(name) end
  for name in flat:gmatch('typedef struct [%w_]+ {.-} ([%w_]+);') do add(name) end
  for name in flat:gmatch('typedef struct [%w_]+ ([%w_]+);') do add(name) end
  for name in flat:gmatch('typedef [^{};]-%(%*([%w_]+)%)') do add(name) end
  for name in flat:gmatch('typedef [%w ]- ([%w_]+);') do add(name) end
  for name in code:gmatch('#define ([%w_]+)') do add(name) end
  return names
end

-- A list of {title =, items = {{text =, code =, names =}, ...}}; the first has the overview.
local function read(path)
  local file = assert(io.open(path))
  local text = file:read('*a')
  file:close()
  local sections = {{title = 'Overview', items = {}}}
  local at = 1
  while true do
    local from, to = text:find('/%*.-%*/', at)
    if not from then break end
    local comment = text:sub(from, to)
    local starts_line = from == 1 or text:sub(from - 1, from - 1) == '\n'
    local title = comment:match('^/%* %-%- (.-) %-+ %*/$')
    if title then
      sections[#sections + 1] = {title = title:sub(1, 1):upper() .. title:sub(2), items = {}}
    elseif starts_line then
      local code = text:sub(to + 1):match('^\n(.-)\n%s*\n') or ''
      if from == 1 then code = '' end
      local section = sections[#sections]
      section.items[#section.items + 1] =
        {text = paragraphs(comment_lines(comment)), names = names_of(code),
         code = code:gsub('MOONLET_API ', '')}
      to = to + #code -- comments inside of the code belong to it
    end
    at = to + 1
  end
  return sections
end

-- ---------------------------------------------------------------------------------------------
-- HTML.

local function escape(text)
  return (text:gsub('&', '&amp;'):gsub('<', '&lt;'):gsub('>', '&gt;'))
end

-- Names that have a place of their own become links to it.
local function linked(text, places)
  return (escape(text):gsub('[%a_][%w_]+', function(word)
    return places[word] and ('<a href="#%s">%s</a>'):format(places[word], word)
  end))
end

local style = [[
body { max-width: 50em; margin: 2em auto; padding: 0 1em; font: 16px/1.5 sans-serif; color: #222 }
pre { background: #f4f4f0; padding: .7em 1em; overflow-x: auto; font-size: 14px; line-height: 1.4 }
pre.code { border-left: 3px solid #7a6 }
a { color: #25a; text-decoration: none } a:hover { text-decoration: underline }
h2 { margin-top: 2.5em; border-bottom: 1px solid #ccc } .item { margin-top: 2em }
]]

local function html(sections, title)
  local places, out = {}, {}
  local function write(...)
    for _, piece in ipairs {...} do out[#out + 1] = piece end
  end
  for _, section in ipairs(sections) do
    for _, item in ipairs(section.items) do
      for _, name in ipairs(item.names) do places[name] = item.names[1] end
    end
  end
  write('<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>', title,
    '</title>\n<style>\n', style, '</style></head><body>\n<h1>', title, '</h1>\n<ul>\n')
  for k, section in ipairs(sections) do
    write('<li><a href="#section-', tostring(k), '">', escape(section.title), '</a>')
    local names = {}
    for _, item in ipairs(section.items) do
      for _, name in ipairs(item.names) do
        names[#names + 1] = ('<a href="#%s"><code>%s</code></a>'):format(places[name], name)
      end
    end
    write(#names > 0 and ': ' or '', table.concat(names, ', '), '</li>\n')
  end
  write('</ul>\n')
  for k, section in ipairs(sections) do
    write('<h2 id="section-', tostring(k), '">', escape(section.title), '</h2>\n')
    for _, item in ipairs(section.items) do
      write('<div class="item"', item.names[1] and (' id="%s"'):format(item.names[1]) or '', '>\n')
      if item.code ~= '' then write('<pre class="code">', linked(item.code, places), '</pre>\n') end
      for _, p in ipairs(item.text) do
        local tag = p.verbatim and 'pre' or 'p'
        write('<', tag, '>', linked(table.concat(p, '\n'), places), '</', tag, '>\n')
      end
      write('</div>\n')
    end
  end
  write('</body></html>\n')
  return table.concat(out)
end

-- ---------------------------------------------------------------------------------------------
-- Man pages.

local function roff(text)
  return (text:gsub('\\', '\\e'):gsub('%-', '\\-'):gsub('\n([.\'])', '\n\\&%1')
    :gsub('^([.\'])', '\\&%1'))
end

local function verbatim(text)
  return '.nf\n' .. roff(text) .. '\n.fi\n'
end

-- The first sentence, for the line NAME.
local function summary(item)
  local p = item.text[1]
  if not p or p.verbatim then return 'part of moonlet.h' end
  local text = table.concat(p, ' ')
  return (text:match('^(.-)[.:] ') or text:gsub('[.:;]$', ''))
end

local function described(list)
  local out = {}
  for k, p in ipairs(list) do
    if p.verbatim then
      out[#out + 1] = '.PP\n.RS 4\n' .. verbatim(table.concat(p, '\n')) .. '.RE\n'
    else
      out[#out + 1] = (k > 1 and '.PP\n' or '') .. roff(table.concat(p, '\n')) .. '\n'
    end
  end
  return table.concat(out)
end

local function heading(name, version)
  return ('.TH %s 3 "" "Moonlet %s" "Moonlet"\n.nh\n.ad l\n'):format(name:upper(), version)
end

-- Pages of one item: the first name's, and one line for each other name.
local function item_pages(item, section, version, pages)
  local name = item.names[1]
  local also = {'.BR moonlet.h (3)'}
  for _, other in ipairs(section.items) do
    if other.names[1] and other ~= item then
      also[#also + 1] = ('.BR %s (3)'):format(other.names[1])
    end
  end
  pages[name] = heading(name, version) .. '.SH NAME\n' .. table.concat(item.names, ', ') .. ' \\- '
    .. roff(summary(item)) .. '\n.SH SYNOPSIS\n.nf\n#include <moonlet.h>\n.PP\n'
    .. roff(item.code) .. '\n.fi\n.SH DESCRIPTION\n' .. described(item.text)
    .. '.SH SEE ALSO\n' .. table.concat(also, ',\n') .. '\n'
  for k = 2, #item.names do pages[item.names[k]] = '.so man3/' .. name .. '.3\n' end
end

local function man(sections, version)
  local pages, list = {}, {}
  for k, section in ipairs(sections) do
    if k > 1 then list[#list + 1] = '.SS ' .. roff(section.title) .. '\n' end
    for _, item in ipairs(section.items) do
      if item.names[1] then
        item_pages(item, section, version, pages)
        for _, name in ipairs(item.names) do
          list[#list + 1] = ('.TP\n.BR %s (3)\n%s\n'):format(name, roff(summary(item)))
        end
      elseif k > 1 then
        list[#list + 1] = '.PP\n' .. described(item.text)
      end
    end
  end
  local overview = sections[1].items[1].text
  local purpose = summary({text = {{(overview[1][1]:gsub('^.- %-%- ', ''))}}})
  pages['moonlet.h'] = heading('moonlet.h', version)
    .. '.SH NAME\nmoonlet.h \\- ' .. roff(purpose)
    .. '\n.SH SYNOPSIS\n.nf\n#include <moonlet.h>\n.fi\n.SH DESCRIPTION\n' .. described(overview)
    .. '.SH FUNCTIONS AND TYPES\n' .. table.concat(list)
  return pages
end

-- ---------------------------------------------------------------------------------------------

local function write_file(path, text)
  local file = assert(io.open(path, 'w'))
  assert(file:write(text))
  assert(file:close())
end

local function quoted(path)
  return "'" .. path:gsub("'", "'\\''") .. "'"
end

local sections = read(source)
local version = io.open(source):read('*a'):match('#define MOONLET_VERSION "(.-)"') or ''
os.execute('mkdir -p ' .. quoted(target .. '/man3'))
write_file(target .. '/moonlet.html', html(sections, 'moonlet.h'))
for name, text in pairs(man(sections, version)) do
  write_file(('%s/man3/%s.3'):format(target, name), text)
end
