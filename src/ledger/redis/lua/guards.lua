-- Bodies that must not be sent again: while the hold of a send nobody waits for is unresolved, and
-- once more after it was accepted, so that the sender hears of it. KEYS: none, names are made here.
-- ARGV: hear: hold, fingerprint; keep unheard: hold, fingerprint, amount, message id. Reply:
-- marked. A body's field holds the ids of its guards (16 bytes each), then answers nobody heard:
-- one byte 255, with which no id begins, two bytes of length, the hold (16 bytes),
-- amount|time|message id.

local guards = {}

function guards.name(fingerprint)
  return store.name(N.guards, byte(fingerprint, 1))
end

-- The ids and the answers of a field.
function guards.parts(value)
  local from = 1
  while from <= #value and byte(value, from) ~= 255 do from = from + 16 end
  return sub(value, 1, from - 1), sub(value, from)
end

function guards.read(fingerprint)
  return guards.parts(store.get(guards.name(fingerprint), fingerprint) or '')
end

-- The account counts the bodies that have any: while it has none, no send looks for them.
function guards.write(fingerprint, ids, answers)
  local value, name = ids .. answers, guards.name(fingerprint)
  local had, has = store.get(name, fingerprint) and 1 or 0, value ~= '' and 1 or 0
  if has ~= had then store.count(store.ACCOUNT, 'guards', has - had) end
  store.put(name, fingerprint, value ~= '' and value)
  state.turn = state.turn + 1
end

function guards.add(id, fingerprint)
  local ids, answers = guards.read(fingerprint)
  guards.write(fingerprint, ids .. id, answers)
end

-- Without the sixteen bytes of one hold.
function guards.remove(id, fingerprint)
  local ids, answers = guards.read(fingerprint)
  for from = 1, #ids, 16 do
    if sub(ids, from, from + 15) == id then
      ids = sub(ids, 1, from - 1) .. sub(ids, from + 16)
      break
    end
  end
  guards.write(fingerprint, ids, answers)
end

-- The answers as a list, oldest first; `packed` is what each is kept as.
function guards.list(answers)
  local list, from = {}, 1
  while from <= #answers do
    local till = from + 2 + read('>I2', answers, from + 1)
    local amount, at, message_id =
      string.match(sub(answers, from + 19, till), '^([^|]*)|([^|]*)|(.*)$')
    list[#list + 1] = {
      hold = sub(answers, from + 3, from + 18), amount = tonumber(amount),
      at = tonumber(at), message_id = message_id, packed = sub(answers, from, till),
    }
    from = till + 1
  end
  return list
end

-- The place of an answer in the order of age.
function guards.aged(at, fingerprint)
  return string.format('%014.0f', at) .. fingerprint
end

-- Keeps the answer to an accepted send that nobody waited for. With an idempotency key the key
-- keeps it, and a hold settled by policy has none.
function guards.keep(id, hold, message_id)
  if not message_id or not hold.guarding or hold.key ~= '' then return end
  if #message_id > N.unheard_id_max then return end
  local ids, answers = guards.read(hold.fingerprint)
  local kept = guards.list(answers)
  for _, answer in ipairs(kept) do
    if answer.hold == id then return end
  end
  local known = table.concat({ store.text(hold.amount), store.text(store.now), message_id }, '|')
  local packed = '\255' .. pack('>I2', #known + 16) .. id .. known
  guards.write(hold.fingerprint, ids, answers .. packed)
  store.list(store.name(N.unheard), guards.aged(store.now, hold.fingerprint))
  -- Of the answers to one body the newest.
  if #kept >= N.unheard_max then guards.forget(hold.fingerprint, kept[1].hold) end
end

-- The oldest answer that nobody heard and the request asks for.
function guards.unheard(answers, kept_ms)
  for _, answer in ipairs(guards.list(answers)) do
    if store.now - answer.at < kept_ms then return answer end
  end
end

-- Drops the answers for which `drops` is true.
function guards.drop(fingerprint, drops)
  local ids, answers = guards.read(fingerprint)
  local kept, times, gone = {}, {}, {}
  for _, answer in ipairs(guards.list(answers)) do
    if drops(answer) then
      gone[answer.at] = true
    else
      kept[#kept + 1], times[answer.at] = answer.packed, true
    end
  end
  for at in pairs(gone) do
    -- Two may be of the same millisecond.
    if not times[at] then
      store.unlist(store.name(N.unheard), guards.aged(at, fingerprint))
    end
  end
  guards.write(fingerprint, ids, table.concat(kept))
end

function guards.forget(fingerprint, hold)
  guards.drop(fingerprint, function(answer) return answer.hold == hold end)
end

-- An answer is heard: once is enough.
function guards.hear()
  local hold, fingerprint = args.text(), args.text()
  guards.forget(fingerprint, hold)
  state.say(V_MARKED)
end

-- The client was gone before the answer, and its hold is settled already.
function guards.keep_unheard()
  local id, fingerprint, amount, message_id = args.text(), args.text(), args.number(), args.text()
  local answered = { amount = amount, fingerprint = fingerprint, guarding = true, key = '' }
  guards.keep(id, answered, message_id)
  state.say(V_MARKED)
end

-- Drops answers that nobody has asked for in a day, the oldest first.
function guards.expire(limit)
  local till = store.now - N.unheard_kept_ms
  local last = '(' .. string.format('%014.0f', till + 1)
  local name = store.name(N.unheard)
  local old = call('ZRANGEBYLEX', name, '-', last, 'LIMIT', 0, limit)
  for _, aged in ipairs(old) do
    store.unlist(name, aged)
    guards.drop(sub(aged, 15), function(answer) return answer.at <= till end)
  end
end
