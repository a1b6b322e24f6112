-- All operations that are not plain.lua's, and the care for a batch's writers. KEYS: of store.lua.
-- ARGV: none. Reply: none.

local operations = {
  [OP_RELEASE] = resolve.release,
  [OP_MARK_IN_DOUBT] = resolve.mark_in_doubt,
  [OP_ABANDON] = resolve.abandon,
  [OP_SWEEP] = resolve.sweep,
  [OP_TOP_UP] = money.top_up,
  [OP_ADJUST] = money.adjust,
  [OP_PUT_WALLET] = money.put_wallet,
  [OP_PUT_DOCUMENT] = settings.put,
  [OP_DELETE_DOCUMENT] = settings.delete,
  [OP_CREATE_CAMPAIGN] = campaigns.create,
  [OP_STOP_CAMPAIGN] = campaigns.stop,
  [OP_RESTART_CAMPAIGN] = campaigns.restart,
  [OP_FINISH_CAMPAIGN] = campaigns.finish,
  [OP_COUNT_REJECTIONS] = campaigns.count,
  [OP_LEARN_ALIAS] = alias.learn,
  [OP_KEEP_UNHEARD] = guards.keep_unheard,
  [OP_HEAR] = guards.hear,
}

local writers = {}

writers.RECORD, writers.RECORD_SIZE = '>I8I8', 16

writers.DAY_MS = 86400000
writers.NUMBERS_KEPT_MS = 90 * writers.DAY_MS
writers.AT_ONCE = 64

-- Verdicts live a day after the writer's last batch, its number 90 days. Each new writer looks at
-- some of the others: a server that was full for long has many.
function writers.forget_idle()
  local from = store.get(store.ACCOUNT, 'writers_cursor') or '0'
  local cursor, found = unpack(call('HSCAN', store.WRITERS, from, 'COUNT', writers.AT_ONCE))
  store.put(store.ACCOUNT, 'writers_cursor', cursor ~= '0' and cursor)
  for i = 1, #found, 2 do
    local writer, last, at = found[i], read(writers.RECORD, found[i + 1])
    if store.now - at > writers.NUMBERS_KEPT_MS then
      store.put(store.WRITERS, writer, false)
    elseif store.now - at > writers.DAY_MS and #found[i + 1] > writers.RECORD_SIZE then
      store.put(store.WRITERS, writer, pack(writers.RECORD, last, at))
    end
  end
end
