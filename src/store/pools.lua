-- Is there room for one more number, by what all replicas together know? The second part of the
-- library: it stands behind `maskgate.lua`, and uses its `server_time`, `epoch` and `text`.
--
-- Invariant: whatever cannot be known for certain is counted as if it were there, and no refusal
-- rests on it (`docs/design/0012-pools.md`, whose words these are). Room is held before a
-- request is sent, by a lease: of a replica that died nothing is held for longer than that.
--
-- A service is one hash: `n` + SID holds the pool of each number (`r` or `u`), and `state` all the
-- rest, packed. A moment is a place in the order of all that happens to it, and no time.

local DAY_MS = '86400000' -- A service of which nothing is heard for so long is not known any more.
local MINUTE_MS = 60000 -- One that is not known is forgotten so long after its last change or count.
local COUNTS_APART = 1000000 -- Two counts begin so far apart (µs).
local SECOND_LOOK = 30000000 -- After a count that settled something lost, so long until the next.
local KINDS = { 'r', 'u' }

-- What a claim comes to.
local HELD, FULL, CONTESTED, UNCOUNTED = 0, 1, 2, 3
-- Whose turn it is to count.
local YOURS, THEIRS, TOO_SOON = 0, 1, 2

local function pool_of(key, number)
  return redis.call('HGET', key, 'n' .. number)
end

-- Of a service: everything but the names. `named`, `unnamed`: how many there are, by pool.
-- `counted_at`: nil unless the numbers are known. `open`: the changes under way. `changed`: at which
-- moment a number was last changed, while there is a change that may have come before. `count`: the
-- one under way.
local function fresh(created)
  return {
    epoch = created,
    named = { r = 0, u = 0 },
    unnamed = { r = 0, u = 0 },
    moment = 0,
    appeared = 0,
    open = {},
    changed = {},
    is_due = false,
    is_suspect = false,
    lost = false,
  }
end

local function next_moment(s)
  s.moment = s.moment + 1
  return s.moment
end

local function add(counts, kind, number)
  counts[kind] = math.max(counts[kind] + number, 0)
end

-- There may be one more in this pool than a list that is being read says.
local function note_beside(s, kind)
  if s.count then
    add(s.count.beside, kind, 1)
  end
end

local function lose_track(s)
  s.counted_at = nil
end

-- A change has ended, and nobody knows how.
local function abandon(s, change)
  s.lost = true
  if change.is_strange then
    s.is_suspect = true
    for kind in string.gmatch(change.kinds, '.') do
      add(s.unnamed, kind, 1)
      if s.count then
        add(s.count.beside_strange, kind, 1)
      end
    end
  elseif change.kinds == '' then
    s.is_due = true
  else
    lose_track(s)
    for kind in string.gmatch(change.kinds, '.') do
      note_beside(s, kind)
    end
  end
end

-- Ends what has been under way for longer than its lease.
local function expire(s, now)
  for id, change in pairs(s.open) do
    if change.until_ <= now then
      s.open[id] = nil
      abandon(s, change)
    end
  end
  if s.count and s.count.until_ <= now then
    s.is_due = s.is_due or s.count.was_due
    s.is_suspect = s.is_suspect or s.count.was_suspect
    s.count = nil
  end
end

local function load_state(keys)
  local now = server_time()
  local created = epoch(keys[1], now)
  local packed = redis.call('HGET', keys[2], 'state')
  local s = packed and cmsgpack.unpack(packed) or fresh(created)
  if s.epoch ~= created then
    -- The last changes may be missing: what there is has to be counted, and the list read anew.
    s.epoch = created
    s.count = nil
    lose_track(s)
  end
  expire(s, now)
  return s, now
end

-- For how long (ms) a service is remembered: anybody may ask for one that there is not.
local function lifetime(s, now)
  if s.counted_at then
    return DAY_MS
  end
  local last = s.count and s.count.until_ or now
  for _, change in pairs(s.open) do
    last = math.max(last, change.until_)
  end
  return text(math.ceil((last - now) / 1000) + MINUTE_MS)
end

local function store_state(key, s, now)
  redis.call('HSET', key, 'state', cmsgpack.pack(s))
  redis.call('PEXPIRE', key, lifetime(s, now))
end

-- Every answer begins so: epoch, now; then how many reserved and how many unreserved numbers there
-- are without those of changes under way; when they were counted (µs; 0: they are not known);
-- whether they are to be counted in the background (1 or 0).
local function answer(s, now, ...)
  local is_due = s.is_due or (s.second_look ~= nil and now >= s.second_look)
  return {
    s.epoch, now,
    s.named.r + s.unnamed.r, s.named.u + s.unnamed.u,
    s.counted_at or 0,
    (is_due and not s.count) and 1 or 0,
    ...,
  }
end

-- Whether a change needs room in a pool: where its number may go to, and is not.
local function needs_room(key, change, kind)
  if not string.find(change.kinds, kind, 1, true) then
    return false
  end
  return change.number == '' or pool_of(key, change.number) ~= kind
end

-- How many places are held in a pool, how many of them by strangers, and how many may be for
-- numbers that are counted already; and whether a number is being added.
local function held_in(key, s, kind)
  local held, strange, is_adding = 0, 0, false
  local unknown_moves, overtaken = 0, 0
  for _, change in pairs(s.open) do
    if needs_room(key, change, kind) then
      held = held + 1
      strange = strange + (change.is_strange and 1 or 0)
      if change.number == '' then
        is_adding = true
        overtaken = overtaken + (change.moment < s.appeared and 1 or 0)
      elseif not pool_of(key, change.number) then
        unknown_moves = unknown_moves + 1
      end
    end
  end
  local doubtful = overtaken
  if s.unnamed[kind] > 0 or is_adding then
    doubtful = doubtful + unknown_moves
  end
  return held, strange, doubtful, is_adding
end

local function is_doubtful(s)
  local count = s.count
  return s.is_due or s.is_suspect or (count ~= nil and (count.was_due or count.was_suspect))
end

-- What a pool without room says to a change: that it is full, or why nobody can tell.
local function refusal(key, s, change, kind, limit)
  local held, strange, doubtful, is_adding = held_in(key, s, kind)
  local used = s.named[kind] + s.unnamed[kind] + held
  if used < limit then
    return nil
  end
  local is_unknown = change.number ~= '' and not pool_of(key, change.number)
  local may_be_there = is_unknown and (s.unnamed[kind] > 0 or is_adding)
  if not change.is_strange and used - strange < limit then
    return CONTESTED, used
  elseif may_be_there or is_doubtful(s) or used - doubtful < limit then
    return UNCOUNTED, used
  end
  return FULL, used
end

-- Holds room for a change. Asked again under the same id, it is judged anew: so whoever has heard no
-- answer may ask again.
-- KEYS: epoch, service. ARGV: the change's own id, the pools that it may put a number in (`r`, `u`,
-- `ru`, or none for a removal), the number (empty where one is added), `k` known or `s` stranger,
-- `e` enforce, `s` hold it in a full pool too, or `h` in any case, the limits of both pools, the lease (µs).
-- Answers, behind what all do: what it comes to (0 held, 1 full, 2 strangers hold the last places,
-- 3 the numbers have to be counted first), which pool is full (`r`, `u` or empty), how many are
-- used of it, and the account that the service was counted for (empty where nobody has said).
local function pool_claim(keys, args)
  local s, now = load_state(keys)
  s.open[args[1]] = nil
  local change = {
    kinds = args[2], number = args[3], is_strange = args[4] == 's',
    until_ = now + tonumber(args[8]),
  }
  local limits = { r = tonumber(args[6]), u = tonumber(args[7]) }
  local outcome, full, full_used = HELD, '', 0
  if change.kinds ~= '' and not s.counted_at then
    outcome = UNCOUNTED
  else
    for _, kind in ipairs(KINDS) do
      if outcome == HELD and needs_room(keys[2], change, kind) then
        local why, used = refusal(keys[2], s, change, kind, limits[kind])
        if why then
          outcome, full, full_used = why, kind, used
        end
      end
    end
  end
  if args[5] == 'h' or (args[5] == 's' and outcome ~= UNCOUNTED) then
    outcome = HELD
  end
  if outcome == HELD then
    change.moment = next_moment(s)
    s.open[args[1]] = change
  end
  store_state(keys[2], s, now)
  return answer(s, now, outcome, full, full_used, s.account or '')
end

-- The number is in this pool, and in no other; or in none.
local function set_number(key, s, number, kind)
  local before = pool_of(key, number)
  if before then
    add(s.named, before, -1)
  end
  if kind then
    redis.call('HSET', key, 'n' .. number, kind)
    add(s.named, kind, 1)
  else
    redis.call('HDEL', key, 'n' .. number)
  end
end

-- Forgets which numbers were changed before everything that is under way began.
local function forget_changed(s)
  local oldest
  for _, change in pairs(s.open) do
    oldest = math.min(oldest or change.moment, change.moment)
  end
  for number, moment in pairs(s.changed) do
    if not oldest or moment < oldest then
      s.changed[number] = nil
    end
  end
end

-- A number was changed that was not known: it may be one without a name, or one being added.
local function unknown_changed(s, kind)
  s.appeared = next_moment(s)
  if s.unnamed.r > 0 or s.unnamed.u > 0 then
    if kind then
      s.is_due = true
    else
      lose_track(s)
    end
  end
end

-- A change has put a number into a pool, or into none (nil).
local function changed(key, s, change, number, kind)
  local before = pool_of(key, number) or nil
  local last = math.max(s.changed[number] or 0, s.appeared)
  if not before and change.number ~= '' then
    unknown_changed(s, kind)
  end
  if before ~= kind and change.moment < last then
    -- Nobody knows which of the two is newer: both are counted.
    set_number(key, s, number, kind or before)
    if before and kind then
      add(s.unnamed, before, 1)
    end
    for _, each in ipairs({ before or kind, before and kind or nil }) do
      note_beside(s, each)
    end
    s.is_due = true
  else
    set_number(key, s, number, kind)
    if s.count then
      local may_be_old = change.moment < s.count.moment
      s.count.touched[number] = { kind = kind or '', may_be_old = may_be_old }
    end
  end
  s.changed[number] = next_moment(s)
  forget_changed(s)
end

-- The upstream has granted a change.
-- KEYS: epoch, service. ARGV: its id; the number and its pool as far as the answer tells (or
-- empty), `x` for the pool where it was removed. Answers what all do.
local function pool_commit(keys, args)
  local s, now = load_state(keys)
  -- One whose lease has ended came before everything, as far as anybody knows.
  local change = s.open[args[1]] or { kinds = '', number = args[2], moment = 0 }
  s.open[args[1]] = nil
  local number, kind = change.number ~= '' and change.number or args[2], args[3]
  if kind == '' and #change.kinds == 1 then
    kind = change.kinds
  end
  if number ~= '' and kind ~= '' then
    changed(keys[2], s, change, number, kind ~= 'x' and kind or nil)
  elseif kind ~= '' then
    add(s.unnamed, kind, 1)
    note_beside(s, kind)
    s.is_due = s.is_due or change.moment < s.appeared
  else
    lose_track(s)
    for each in string.gmatch(change.kinds, '.') do
      note_beside(s, each)
    end
  end
  store_state(keys[2], s, now)
  return answer(s, now)
end

-- A change has ended otherwise.
-- KEYS: epoch, service. ARGV: its id, `r` where the upstream has not done it, `l` where nobody
-- knows. Answers what all do.
local function pool_return(keys, args)
  local s, now = load_state(keys)
  local change = s.open[args[1]]
  s.open[args[1]] = nil
  if change and args[2] == 'l' then
    abandon(s, change)
  end
  store_state(keys[2], s, now)
  return answer(s, now)
end

-- Asks whose turn it is to read the upstream's list.
-- KEYS: epoch, service, the list as far as it is read. ARGV: an id for the count, its lease (µs), and
-- for whoever has waited when the numbers were counted before that (µs; 0: they were not known).
-- Answers, behind what all do: 0 yours, 1 somebody else's, 2 too soon after the last one, or it has been
-- counted meanwhile; how long (µs) until it is worth asking again.
local function pool_recount_begin(keys, args)
  local s, now = load_state(keys)
  local turn, wait = YOURS, 0
  if args[3] and s.counted_at and s.counted_at ~= tonumber(args[3]) then
    turn = TOO_SOON
  elseif s.count and s.count.id ~= args[1] then
    turn, wait = THEIRS, s.count.until_ - now
  elseif s.count then
    turn = YOURS -- It has not heard the answer.
  elseif s.counted_from and now < s.counted_from + COUNTS_APART and now >= s.counted_from then
    turn, wait = TOO_SOON, s.counted_from + COUNTS_APART - now
  else
    s.count = {
      id = args[1], until_ = now + tonumber(args[2]), moment = next_moment(s), touched = {},
      beside = { r = 0, u = 0 }, beside_strange = { r = 0, u = 0 },
      was_due = s.is_due, was_suspect = s.is_suspect,
    }
    s.is_due, s.is_suspect, s.counted_from = false, false, now
    redis.call('UNLINK', keys[3])
  end
  store_state(keys[2], s, now)
  return answer(s, now, turn, wait)
end

-- Takes a page of the list, so that no call takes long.
-- KEYS: epoch, service, the list. ARGV: the count's id, then number and pool in turn. Answers, behind
-- what all do, 1 where that count is still under way.
local function pool_recount_page(keys, args)
  local s, now = load_state(keys)
  local is_ours = s.count ~= nil and s.count.id == args[1]
  if is_ours then
    for n = 2, #args - 1, 2 do
      redis.call('HSET', keys[3], 'n' .. args[n], args[n + 1])
    end
    redis.call('PEXPIRE', keys[3], DAY_MS)
  end
  store_state(keys[2], s, now)
  return answer(s, now, is_ours and 1 or 0)
end

-- What was heard of numbers while the list was read wins over the list, unless it may be older.
local function settle_touched(list, s)
  local beside = s.count.beside
  for number, touch in pairs(s.count.touched) do
    local listed = pool_of(list, number) or ''
    if touch.may_be_old and listed ~= touch.kind then
      s.is_due = true
      if listed ~= '' and touch.kind ~= '' then
        add(beside, listed, 1)
      end
    end
    if touch.kind ~= '' then
      redis.call('HSET', list, 'n' .. number, touch.kind)
    elseif not touch.may_be_old then
      redis.call('HDEL', list, 'n' .. number)
    end
  end
end

-- How many of a list are in each pool.
local function count_list(list)
  local counts = { r = 0, u = 0 }
  for _, kind in ipairs(redis.call('HVALS', list)) do
    add(counts, kind, 1)
  end
  return counts
end

-- The list is read, or could not be.
-- KEYS: epoch, service, the list. ARGV: the count's id; `c` read to its end, `r` the upstream has
-- refused it, `f` it failed; the account that the list is of (empty where it does not say). Answers,
-- behind what all do, 1 where that count was still under way.
local function pool_recount_end(keys, args)
  local s, now = load_state(keys)
  local is_ours = s.count ~= nil and s.count.id == args[1]
  if is_ours and args[2] == 'c' then
    settle_touched(keys[3], s)
    s.named = count_list(keys[3])
    local count = s.count
    s.is_due = s.is_due or count.beside.r + count.beside.u > 0
    s.is_suspect = s.is_suspect or count.beside_strange.r + count.beside_strange.u > 0
    for _, kind in ipairs(KINDS) do
      s.unnamed[kind] = count.beside[kind] + count.beside_strange[kind]
    end
    s.second_look = s.lost and now + SECOND_LOOK or nil
    s.lost, s.counted_at, s.count, s.changed = false, now, nil, {}
    s.account = args[3] ~= '' and args[3] or s.account
    s.appeared = next_moment(s)
    redis.call('UNLINK', keys[2])
    if redis.call('EXISTS', keys[3]) == 1 then
      redis.call('RENAME', keys[3], keys[2])
    end
  elseif is_ours then
    s.is_due = s.is_due or s.count.was_due
    s.is_suspect = s.is_suspect or s.count.was_suspect
    s.count = nil
    if args[2] == 'r' then
      s.counted_from = nil
    end
    redis.call('UNLINK', keys[3])
  end
  store_state(keys[2], s, now)
  return answer(s, now, is_ours and 1 or 0)
end

-- A number was seen in a pool. It may have been overtaken by others, so it takes nothing away.
local function see(key, s, number, kind)
  local known, is_changing = pool_of(key, number), s.changed[number] ~= nil
  for _, change in pairs(s.open) do
    is_changing = is_changing or change.number == number
  end
  if known == kind or is_changing then
    return
  end
  if known then
    lose_track(s)
  else
    set_number(key, s, number, kind)
    s.appeared = next_moment(s)
    s.is_due = true
  end
end

-- An answer that passed has shown numbers in their pools, or something has shown that the numbers
-- may be fewer than is known.
-- KEYS: epoch, service. ARGV: number and pool in turn, or nothing. Answers what all do.
local function pool_seen(keys, args)
  local s, now = load_state(keys)
  if not s.counted_at then
    return answer(s, now)
  end
  s.is_due = s.is_due or #args == 0
  for n = 1, #args - 1, 2 do
    if s.counted_at then
      see(keys[2], s, args[n], args[n + 1])
    end
  end
  store_state(keys[2], s, now)
  return answer(s, now)
end

-- Numbers were changed, and may be being changed still, by whoever did not ask here: nothing that is
-- known, or is being read, is to be believed.
-- KEYS: epoch, service. Answers what all do.
local function pool_forget(keys)
  local s, now = load_state(keys)
  lose_track(s)
  s.lost, s.count = true, nil
  store_state(keys[2], s, now)
  return answer(s, now)
end

-- registration
redis.register_function('maskgate_1_pool_claim', pool_claim)
redis.register_function('maskgate_1_pool_commit', pool_commit)
redis.register_function('maskgate_1_pool_return', pool_return)
redis.register_function('maskgate_1_pool_recount_begin', pool_recount_begin)
redis.register_function('maskgate_1_pool_recount_page', pool_recount_page)
redis.register_function('maskgate_1_pool_recount_end', pool_recount_end)
redis.register_function('maskgate_1_pool_seen', pool_seen)
redis.register_function('maskgate_1_pool_forget', pool_forget)
