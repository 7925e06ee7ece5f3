-- The counts of one rate limit, shared by every process that uses this Redis; see redis_store.py.
--
-- KEYS  1 facts    hash: epoch, calls (learnt), big (tickets of more than one unit in the line),
--                  used (units that stand), seq, held, banned, probe
--       2 standing sorted set: "units:ticket" by the moment at which it stands no more
--       3 line     sorted set: "units:ticket" by its number in the line
--       4 patience sorted set: "units:ticket" by the moment at which it counts as dead
--       5 members  sorted set: processes by the moment at which they were last heard of
-- ARGV  1 operation, 2 process, then what the operation takes
-- Moments are milliseconds of Redis' own clock, to the microsecond: no window is shorter than it is
-- said to be. Waits are whole milliseconds, rounded up. No two machines' clocks are compared.

local facts, standing, line, patience, members = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local FORGET_MS = 3600000
local MEMBER_MS = 60000
local PATIENCE_MS = 2000
local PROBE_MS = 10000

local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000

local function fact(name)
  return tonumber(redis.call('HGET', facts, name) or '0')
end

local function units_of(entry)
  return tonumber(string.match(entry, '^(%d+):'))
end

local function leave_line(entry)
  redis.call('ZREM', patience, entry)
  if redis.call('ZREM', line, entry) == 1 and units_of(entry) > 1 then
    redis.call('HINCRBY', facts, 'big', -1)
  end
end

local function stand_no_more(entry)
  if redis.call('ZREM', standing, entry) == 1 then
    redis.call('HINCRBY', facts, 'used', -units_of(entry))
  end
end

local function clear()
  for _, entry in ipairs(redis.call('ZRANGEBYSCORE', standing, '-inf', now)) do
    stand_no_more(entry)
  end
  for _, entry in ipairs(redis.call('ZRANGEBYSCORE', patience, '-inf', now)) do
    leave_line(entry)
  end
end

-- The units of those who stand in line before a place.
local function units_before(rank)
  if rank == 0 then return 0 end
  if fact('big') == 0 then return rank end
  local units = 0
  for _, entry in ipairs(redis.call('ZRANGE', line, 0, rank - 1)) do
    units = units + units_of(entry)
  end
  return units
end

-- Milliseconds until so many units have come free, on the short side.
local function free_in(missing, calls, span)
  local count = redis.call('ZCARD', standing)
  if count == 0 then return span end
  local rounds = math.floor((missing - 1) / calls)
  missing = (missing - 1) % calls + 1
  local place = math.min(missing, count) - 1
  if fact('used') > count then -- some stand for more than one unit: fewer of them have to go
    local units = 0
    for number, entry in ipairs(redis.call('ZRANGE', standing, 0, place)) do
      units = units + units_of(entry)
      place = number - 1
      if units >= missing then break end
    end
  end
  local entry = redis.call('ZRANGE', standing, place, place, 'WITHSCORES')
  return math.ceil(tonumber(entry[2]) - now) + rounds * span
end

-- What every answer ends with: who else is here, how much is used, and of which life this is.
local function answer(granted, wait, banned)
  local epoch = redis.call('HGET', facts, 'epoch') or ''
  return {granted, wait, banned, redis.call('ZCARD', members), fact('used'), epoch}
end

local function refused(wait, banned)
  redis.call('PEXPIRE', facts, FORGET_MS)
  return answer(0, wait, banned)
end

local function take(ticket, units, calls, span)
  redis.call('HSETNX', facts, 'epoch', time[1] .. '.' .. time[2])
  redis.call('ZADD', members, now, ARGV[2])
  redis.call('ZREMRANGEBYSCORE', members, '-inf', now - MEMBER_MS)
  redis.call('PEXPIRE', members, MEMBER_MS)
  local banned = fact('banned')
  if banned > 0 then
    if now < banned then return refused(0, math.ceil(banned - now)) end
    local probe = fact('probe')
    if now < probe then return refused(0, math.ceil(probe - now)) end
    redis.call('HSET', facts, 'probe', now + PROBE_MS)
  end
  clear()
  local learnt = fact('calls')
  if learnt > 0 then calls = learnt end
  units = math.min(units, calls)
  local entry = units .. ':' .. ticket
  local rank = redis.call('ZRANK', line, entry)
  local held = fact('held')
  local wait = 0
  if redis.call('ZSCORE', standing, entry) then
    wait = 0 -- it stands already, and is dated anew
  elseif held > now then
    wait = math.ceil(held - now)
  else
    local before = units_before(rank or redis.call('ZCARD', line))
    local missing = fact('used') + before + units - calls
    if missing > 0 then wait = free_in(missing, calls, span) end
  end
  if wait > 0 then
    if not rank then
      redis.call('ZADD', line, redis.call('HINCRBY', facts, 'seq', 1), entry)
      if units > 1 then redis.call('HINCRBY', facts, 'big', 1) end
    end
    redis.call('ZADD', patience, now + wait + PATIENCE_MS, entry)
    redis.call('PEXPIRE', line, wait + FORGET_MS)
    redis.call('PEXPIRE', patience, wait + FORGET_MS)
    return refused(wait, 0)
  end
  if rank then leave_line(entry) end
  if redis.call('ZADD', standing, now + span, entry) == 1 then
    redis.call('HINCRBY', facts, 'used', units)
  end
  redis.call('PEXPIRE', standing, span + FORGET_MS)
  redis.call('PEXPIRE', facts, span + FORGET_MS)
  return answer(1, 0, 0)
end

-- The entry of a ticket whose units are not told: one, as nearly always, or looked for.
local function entry_of(set, ticket)
  local entry = '1:' .. ticket
  if redis.call('ZSCORE', set, entry) then return entry end
  for _, each in ipairs(redis.call('ZRANGE', set, 0, -1)) do
    if string.sub(each, -string.len(ticket) - 1) == ':' .. ticket then return each end
  end
  return nil
end

local operation = ARGV[1]
if operation == 'take' then
  return take(ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]))
elseif operation == 'keep' then
  local entry = entry_of(standing, ARGV[3])
  if entry then redis.call('ZINCRBY', standing, ARGV[4], entry) end
elseif operation == 'give_back' then
  local entry = entry_of(standing, ARGV[3])
  if entry then stand_no_more(entry) end
  local waiting = entry_of(line, ARGV[3])
  if waiting then leave_line(waiting) end
elseif operation == 'learn' then
  redis.call('HSET', facts, 'calls', ARGV[3])
elseif operation == 'hold' then
  redis.call('HSET', facts, 'held', math.max(fact('held'), now + tonumber(ARGV[3])))
elseif operation == 'ban' then
  redis.call('HSET', facts, 'banned', now + tonumber(ARGV[3]))
elseif operation == 'welcome' then
  redis.call('HDEL', facts, 'banned', 'probe')
end
redis.call('PEXPIRE', facts, FORGET_MS)
return answer(1, 0, 0)
