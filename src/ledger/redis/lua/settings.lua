-- Settings documents: each change raises the version that every reserve must carry; one that was
-- made of another document than the ledger has is stale. KEYS by index: the document's shard.
-- ARGV: put: id, body, only if absent, what it replaces or '', key index; delete: id, what it
-- replaces or '', key index. Reply: document: changed, settings version | stale settings.

local settings = {}

settings.MADE, settings.NEEDLESS, settings.STALE = 1, 2, 3

function settings.say(change)
  if change == settings.STALE then return state.say(V_STALE_SETTINGS) end
  local made = change == settings.MADE and 1 or 0
  state.say(V_DOCUMENT, made, store.number(store.ACCOUNT, 'settings'))
end

function settings.raise_version()
  local version = store.number(store.ACCOUNT, 'settings') + 1
  store.put(store.ACCOUNT, 'settings', store.text(version))
end

function settings.check_put(key, id, body, only_if_absent, replaces)
  local found = store.get(key, id)
  if replaces ~= '' and found ~= replaces then return settings.STALE end
  if found and (only_if_absent or found == body) then return settings.NEEDLESS end
  return settings.MADE
end

function settings.put()
  local id, body, only_if_absent = args.text(), args.text(), args.flag()
  local replaces, key = args.text(), args.key()
  local change = settings.check_put(key, id, body, only_if_absent, replaces)
  if change == settings.MADE then
    store.put(key, id, body)
    settings.raise_version()
  end
  settings.say(change)
end

function settings.check_delete(key, id, replaces)
  local found = store.get(key, id)
  if not found then return settings.NEEDLESS end
  if replaces ~= '' and found ~= replaces then return settings.STALE end
  return settings.MADE
end

function settings.delete()
  local id, replaces, key = args.text(), args.text(), args.key()
  local change = settings.check_delete(key, id, replaces)
  if change == settings.MADE then
    store.put(key, id, false)
    settings.raise_version()
  end
  settings.say(change)
end
