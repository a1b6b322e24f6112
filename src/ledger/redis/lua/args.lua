-- Reading of arguments: all of a batch are one text, and each call takes the next part of it. KEYS:
-- any, by the index an argument gives. ARGV: 2 as encode.rs writes it. Reply: none.

-- Everything here is made once, when the server loads it; `begin` of each part is called in each
-- run and makes what the run needs anew. Libraries are there in a run only.
local call, read, pack, byte, char, sub, floor

local args = {}

function args.begin(keys, argv)
  call, read, pack = redis.call, struct.unpack, struct.pack
  byte, char, sub, floor = string.byte, string.char, string.sub, math.floor
  args.keys, args.given, args.at = keys, argv[2], 1
end

function args.text()
  local text
  text, args.at = read('>I4c0', args.given, args.at)
  return text
end

function args.number()
  return tonumber(args.text())
end

function args.flag()
  return args.text() == '1'
end

function args.key()
  return args.keys[args.number()]
end

-- A day or month: its index, and from when till when it lasts.
function args.span()
  local index, from, till
  index, from, till, args.at = read('>i4i8i8', args.given, args.at)
  return { index = index, from = from, till = till }
end

-- As many texts as the next byte says.
function args.list()
  local count
  count, args.at = read('B', args.given, args.at)
  local list = {}
  for i = 1, count do list[i] = args.text() end
  return list
end
