-- Settings documents: each change raises the version that every reserve must carry. KEYS by index:
-- the document's shard. ARGV: put: id, body, only if absent, key index; delete: id, key index.
-- Reply: document: changed, settings version.

local settings = {}

function settings.say(changed)
  state.say(V_DOCUMENT, changed and 1 or 0, store.number(store.ACCOUNT, 'settings'))
end

function settings.raise_version()
  local version = store.number(store.ACCOUNT, 'settings') + 1
  store.put(store.ACCOUNT, 'settings', store.text(version))
end

-- Whether a put changes anything.
function settings.check_put(key, id, body, only_if_absent)
  local found = store.get(key, id)
  return not (found and (only_if_absent or found == body))
end

function settings.put()
  local id, body, only_if_absent, key = args.text(), args.text(), args.flag(), args.key()
  if not settings.check_put(key, id, body, only_if_absent) then return settings.say(false) end
  store.put(key, id, body)
  settings.raise_version()
  settings.say(true)
end

function settings.delete()
  local id, key = args.text(), args.key()
  if not store.get(key, id) then return settings.say(false) end
  store.put(key, id, false)
  settings.raise_version()
  settings.say(true)
end
