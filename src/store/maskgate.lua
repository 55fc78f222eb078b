#!lua name=maskgate_1
-- May this request pass, by what all replicas together have let through? The part of the answer
-- that only the store can give: it runs in Redis or Valkey, one call at a time.
--
-- Invariant: a decision and its charge are one step, in the server's own time, and no charge is
-- forgotten that the caller said it may still ask for.
--
-- A window is a list of the times (µs) at which it was charged, newest first. "Fewer than n in the
-- last span" takes one look at the n-th newest, as in `admit::window`. The epoch says since when
-- this server has had the data: a window is whole from one span after that, and not before.
--
-- One source, run in two ways: FUNCTION LOAD takes it and `pools.lua` behind it as they stand; for
-- EVAL, the first line and what registers a function are left out, and a `return NAME(KEYS, ARGV)`
-- is put at the end. The format of the data is in the keys' prefix, and a change of it gets a new
-- number; a library is loaded under a name with the hash of its source, and stays on the server.

local SECOND = 1000000 -- The span of a burst.
local SLACK_MS = 1000 -- A key outlives its times by this.
local CHUNK = 1000 -- So many values in one command: Lua's stack holds 8000.

-- Of the process that runs this. A library's variables live as long as the process, or until the
-- library is loaded anew; under EVAL as long as one call.
local run_id

local function own_run_id()
  if not run_id then
    run_id = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
  end
  return run_id
end

local function server_time()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

-- A whole number as text: tostring() would round it.
local function text(number)
  return string.format('%.0f', number)
end

-- Since when (µs) this server has had all data of the slot. Begins anew where the key is gone
-- (the data was lost), where another process wrote it (this one was promoted or restarted, and
-- may lack the last writes), and where it is of a time to come (the clock was set back).
local function epoch(key, now)
  local stored = redis.call('GET', key)
  if stored then
    local created, of = string.match(stored, '^(%d+):(%w+)$')
    created = tonumber(created)
    if created and created <= now and of == own_run_id() then
      return created
    end
  end
  redis.call('SET', key, text(now) .. ':' .. own_run_id())
  return now
end

-- When the nth newest charge was made, counted from 0.
local function nth(key, n)
  return tonumber(redis.call('LINDEX', key, n))
end

-- How many of the newest are later than `since`.
local function later_than(key, length, since)
  if length == 0 or nth(key, length - 1) > since then
    return length
  end
  local low, high = 0, length - 1
  while low < high do
    local middle = math.floor((low + high) / 2)
    if nth(key, middle) > since then
      low = middle + 1
    else
      high = middle
    end
  end
  return low
end

-- Puts times in front of a list, the first of them first.
local function prepend(key, times)
  for from = 1, #times, CHUNK do
    redis.call('LPUSH', key, unpack(times, from, math.min(from + CHUNK - 1, #times)))
  end
end

-- A charge of a time to come was made before the clock was set back, so it is no older than now:
-- it is kept as one of now. Nobody gets a place that is not free, and nobody waits for longer
-- than a span.
local function settle(key, length, now)
  if length == 0 or nth(key, 0) <= now then
    return
  end
  for n = 0, later_than(key, length, now) - 1 do
    redis.call('LSET', key, n, text(now))
  end
end

-- Remembers as many charges, and for as long (µs), as may still be asked for.
local function keep(key, was_empty, count, span)
  redis.call('LTRIM', key, 0, count - 1)
  local ms = text(math.ceil(span / 1000) + SLACK_MS)
  if was_empty then
    redis.call('PEXPIRE', key, ms)
  else
    redis.call('PEXPIRE', key, ms, 'GT')
  end
end

-- What a window says at `now`: for how long (µs) it refuses, and for what (0 nothing, 1 the
-- window, 2 the burst).
local function judge(window, now)
  local leaves, by = 0, 0
  if window.taken >= window.admissions then
    leaves, by = nth(window.key, window.admissions - 1) + window.span, 1
  end
  if window.burst > 0 and window.length >= window.burst then
    local burst = nth(window.key, window.burst - 1) + SECOND
    if burst > leaves and burst > now then
      leaves, by = burst, 2
    end
  end
  return math.max(leaves - now, 0), by
end

local function charge(window, now)
  redis.call('LPUSH', window.key, text(now))
  keep(window.key, window.length == 0, window.keep, window.keep_span)
  window.length = math.min(window.length + 1, window.keep)
  window.taken = math.min(window.taken + 1, window.keep)
  window.charged_at = now
end

-- The windows of one call, as they stand before it.
local function windows_of(keys, args, now)
  local windows = {}
  for n = 2, #keys do
    local key, first = keys[n], (n - 2) * 6 + 1
    local length = redis.call('LLEN', key)
    settle(key, length, now)
    local window = {
      key = key,
      length = length,
      charge = args[first + 1],
      admissions = tonumber(args[first + 2]),
      span = tonumber(args[first + 3]),
      burst = tonumber(args[first + 4]),
      keep = tonumber(args[first + 5]),
      keep_span = tonumber(args[first + 6]),
      charged_at = 0,
    }
    window.taken = later_than(key, length, now - window.span)
    windows[n - 1] = window
  end
  return windows
end

-- The longest refusal of all windows, and whose it is: index from 1, wait (µs), bound. Zeros where
-- all admit.
local function longest_refusal(windows, now)
  local index, wait, bound = 0, 0, 0
  for n, window in ipairs(windows) do
    local for_long, by = judge(window, now)
    if for_long > wait then
      index, wait, bound = n, for_long, by
    end
  end
  return index, wait, bound
end

-- Of a bound that has so many taken: until (µs from now) there is room for no more than now.
local function resets_in(key, taken, admissions, span, now)
  local must_leave = math.min(taken, admissions)
  if must_leave == 0 then
    return 0
  end
  return nth(key, must_leave - 1) + span - now
end

-- How a window stands, as the five numbers that `admit` answers of each.
local function standing(window, now, answer)
  local key, taken = window.key, window.taken
  local n = #answer
  answer[n + 1] = taken
  answer[n + 2] = window.charged_at
  answer[n + 3] = resets_in(key, taken, window.admissions, window.span, now)
  answer[n + 4], answer[n + 5] = 0, 0
  if window.burst > 0 then
    local in_burst = later_than(key, window.length, now - SECOND)
    answer[n + 4] = in_burst
    answer[n + 5] = resets_in(key, in_burst, window.burst, SECOND, now)
  end
end

-- Decides one request by all of its windows, and charges all or none of them.
-- KEYS: the epoch's, then each window's. ARGV: the epoch (µs) that the caller believes in; then for
-- each window: what is charged (`a`: the request if it is admitted, `o`: it in either case, `n`:
-- nothing), admissions, their span (µs), burst admissions (in a second; 0: no such bound), how many
-- charges to keep, and for how long (µs).
-- Answers integers: epoch (µs), now (µs), verdict (1 admitted, 0 refused, 2 neither: the epoch is
-- another one, and nothing was done), which window refuses for the longest (from 1; 0 where none),
-- for how long (µs), by which bound (0 none, 1 window, 2 burst). After a verdict of 0 or 1, for each
-- window: how many are taken in its span, the time of the charge (µs; 0 for none), in how long there
-- is more room than now (µs), and the first and the third of these for the burst (0 where none).
local function admit(keys, args)
  local now = server_time()
  local created = epoch(keys[1], now)
  if created ~= tonumber(args[1]) then
    return { created, now, 2, 0, 0, 0 }
  end
  local windows = windows_of(keys, args, now)
  local index, wait, bound = longest_refusal(windows, now)
  local is_admitted = index == 0
  local counts_offered = false
  for _, window in ipairs(windows) do
    if window.charge == 'o' or (window.charge == 'a' and is_admitted) then
      charge(window, now)
      counts_offered = counts_offered or not is_admitted
    end
  end
  if counts_offered then
    -- What the client has to wait for now includes this refusal.
    index, wait, bound = longest_refusal(windows, now)
  end
  local answer = { created, now, is_admitted and 1 or 0, index, wait, bound }
  for _, window in ipairs(windows) do
    standing(window, now, answer)
  end
  return answer
end

-- Takes one charge of exactly this time out again.
-- KEYS: epoch, window. ARGV: the time (µs). Answers: epoch, now, 1 where it was there or else 0.
local function give_back(keys, args)
  local now = server_time()
  return { epoch(keys[1], now), now, redis.call('LREM', keys[2], 1, args[1]) }
end

-- The times that are `args[first]` and so on ago, newest first, without those that are out of the
-- span.
local function times_ago(args, first, now, span)
  local times = {}
  for n = first, #args do
    local age = math.max(tonumber(args[n]), 0)
    if age < span then
      times[#times + 1] = now - age
    end
  end
  table.sort(times, function(one, other) return one > other end)
  return times
end

-- Of both, newest first, to texts from the oldest to the newest, as LPUSH takes them.
local function merged(times, others)
  local all, n, m = {}, #times, #others
  while n > 0 or m > 0 do
    if m == 0 or (n > 0 and times[n] <= tonumber(others[m])) then
      all[#all + 1] = text(times[n])
      n = n - 1
    else
      all[#all + 1] = others[m]
      m = m - 1
    end
  end
  return all
end

-- Adds what a replica has admitted by itself.
-- KEYS: epoch, window. ARGV: how many charges to keep, for how long (µs), then the age (µs) of each
-- charge. Answers: epoch, now, how many there are in that span.
local function push(keys, args)
  local now, key = server_time(), keys[2]
  local created = epoch(keys[1], now)
  local count, span = tonumber(args[1]), tonumber(args[2])
  local times = times_ago(args, 3, now, span)
  local length = redis.call('LLEN', key)
  settle(key, length, now)
  if #times > 0 then
    local newer = later_than(key, length, times[#times])
    local others = newer > 0 and redis.call('LRANGE', key, 0, newer - 1) or {}
    if newer > 0 then
      redis.call('LTRIM', key, newer, -1)
    end
    prepend(key, merged(times, others))
    -- A list that was trimmed to nothing is a new key.
    keep(key, newer == length, count, span)
  end
  length = redis.call('LLEN', key)
  return { created, now, later_than(key, length, now - span) }
end

-- Gives a place among the replicas to who asks, or lets it keep the one that it has, for as long as
-- it asks again in time.
-- KEYS: epoch, places. ARGV: who asks, the place that it has (0: none), how many there are, for how
-- long (µs) it is kept. Answers: epoch, now, the place (from 1; 0: all are taken).
local function place(keys, args)
  local now, key, who = server_time(), keys[2], args[1]
  local created = epoch(keys[1], now)
  local held, count, lease = tonumber(args[2]), tonumber(args[3]), tonumber(args[4])
  -- Who is gone, and whose time is further off than a lease, as the clock was set back, has none.
  local function is_free(nth)
    local holder = redis.call('HGET', key, nth)
    local of, kept_until = string.match(holder or '', '^(%w+):(%d+)$')
    kept_until = tonumber(kept_until)
    return not kept_until or of == who or kept_until <= now or kept_until > now + lease
  end
  local given = 0
  if held > 0 and held <= count and is_free(held) then
    given = held
  end
  local nth = 0
  while given == 0 and nth < count do
    nth = nth + 1
    if is_free(nth) then
      given = nth
    end
  end
  if given > 0 then
    redis.call('HSET', key, given, who .. ':' .. text(now + lease))
    redis.call('PEXPIRE', key, text(math.ceil(lease / 1000) + SLACK_MS))
  end
  return { created, now, given }
end

-- KEYS: epoch. Answers: since when this server has had the data (µs), its run id, now (µs).
local function begin(keys)
  local now = server_time()
  return { epoch(keys[1], now), own_run_id(), now }
end

-- registration
redis.register_function('maskgate_1_admit', admit)
redis.register_function('maskgate_1_give_back', give_back)
redis.register_function('maskgate_1_push', push)
redis.register_function('maskgate_1_epoch', begin)
redis.register_function('maskgate_1_place', place)
