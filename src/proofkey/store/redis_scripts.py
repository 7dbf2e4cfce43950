"""What the sessions of a client do in Redis, in one atomic step each.

Every script may be sent twice, as a driver does whose connection died before the answer came: what was written is
then recognized, and what was taken is not given again.

A session is a hash: `fixed` (sealed), `tokens` (sealed), `seen`, `ends`, `version`, `by_sub` and `by_sid` (the
sets that list it; empty when none does), and of its refresh `until`, `holder` and `call`. Sorted sets hold the
ends of all pending logins and of all sessions, for the purge and the bound. The scripts use keys that they have
read, so the server is one node (with replicas), not a Redis Cluster.
"""

from typing import Final

INSERT_PENDING: Final = """
local held = redis.call('GET', KEYS[1])
if held then return held == ARGV[1] and 1 or 0 end
local many = redis.call('ZCARD', KEYS[2])
if many >= tonumber(ARGV[4]) then
  for _, key in ipairs(redis.call('ZRANGE', KEYS[2], 0, many - tonumber(ARGV[4]))) do
    redis.call('DEL', key)
    redis.call('ZREM', KEYS[2], key)
  end
end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
redis.call('ZADD', KEYS[2], ARGV[3], KEYS[1])
redis.call('EXPIRE', KEYS[2], math.max(redis.call('TTL', KEYS[2]), ARGV[2]))
return 1
"""
"""KEYS: the login, all logins by their end. ARGV: sealed, seconds to keep it, its end, the most
there may be. 0 when another login has that state."""

TAKE_PENDING: Final = """
local held = redis.call('GETDEL', KEYS[1])
redis.call('ZREM', KEYS[2], KEYS[1])
return held
"""

INSERT_SESSION: Final = """
local held = redis.call('HGET', KEYS[1], 'fixed')
if held then return held == ARGV[1] and 1 or 0 end
redis.call('HSET', KEYS[1], 'fixed', ARGV[1], 'tokens', ARGV[2], 'seen', ARGV[3], 'ends', ARGV[4],
  'version', ARGV[5], 'by_sub', KEYS[3], 'by_sid', KEYS[4] or '')
redis.call('EXPIRE', KEYS[1], ARGV[6])
redis.call('ZADD', KEYS[2], ARGV[4], KEYS[1])
redis.call('EXPIRE', KEYS[2], math.max(redis.call('TTL', KEYS[2]), ARGV[6]))
for place = 3, #KEYS do
  redis.call('SADD', KEYS[place], KEYS[1])
  redis.call('EXPIRE', KEYS[place], math.max(redis.call('TTL', KEYS[place]), ARGV[6]))
end
return 1
"""
"""KEYS: the session, all sessions by their end, those of its sub, those of its sid if it has one. ARGV: fixed,
tokens, seen, ends, version, seconds to keep it. 0 when the id is taken."""

SESSIONS_IN: Final = """
local found = {}
for _, key in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local fields = redis.call('HMGET', key, 'fixed', 'tokens', 'seen', 'version')
  if fields[1] then
    table.insert(fields, 1, key)
    table.insert(found, fields)
  else
    redis.call('SREM', KEYS[1], key)
  end
end
return found
"""

TOUCH: Final = """
local seen = redis.call('HGET', KEYS[1], 'seen')
if seen and tonumber(seen) < tonumber(ARGV[1]) then redis.call('HSET', KEYS[1], 'seen', ARGV[1]) end
"""

REPLACE_TOKENS: Final = """
local fields = redis.call('HMGET', KEYS[1], 'version', 'ends', 'tokens')
if not fields[1] or tonumber(fields[2]) <= tonumber(ARGV[3]) then return 0 end
if fields[3] == ARGV[2] then return 1 end
if fields[1] ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'tokens', ARGV[2])
redis.call('HINCRBY', KEYS[1], 'version', 1)
return 1
"""
"""ARGV: the version they were made from, the new tokens, now. No two sealed texts are the same, so whoever finds
its own is the one that stored it."""

DROP: Final = """
local function drop(key, ends)
  local lists = redis.call('HMGET', key, 'by_sub', 'by_sid')
  for place = 1, 2 do
    if lists[place] and lists[place] ~= '' then redis.call('SREM', lists[place], key) end
  end
  redis.call('ZREM', ends, key)
  return redis.call('DEL', key)
end
"""
END_SESSION: Final = DROP + "return drop(KEYS[1], KEYS[2])"

ACQUIRE_REFRESH: Final = """
local fields = redis.call('HMGET', KEYS[1], 'version', 'until', 'call')
if not fields[1] then return 0 end
if fields[3] == ARGV[4] then return 1 end
if fields[2] and tonumber(fields[2]) > tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], 'holder', ARGV[1], 'until', ARGV[3], 'call', ARGV[4])
return 1
"""
"""ARGV: the holder, now, until, the call (sent again after a lost answer, it has the lease still)."""

RELEASE_REFRESH: Final = """
if redis.call('HGET', KEYS[1], 'holder') == ARGV[1] then
  redis.call('HDEL', KEYS[1], 'holder', 'until', 'call')
end
"""

PURGE: Final = (
    DROP
    + """
local gone = 0
for place = 1, 2 do
  local left = tonumber(ARGV[2]) - gone
  local over = redis.call('ZRANGEBYSCORE', KEYS[place], '-inf', ARGV[1], 'LIMIT', 0, left)
  for _, key in ipairs(over) do
    if place == 1 then
      redis.call('DEL', key)
      redis.call('ZREM', KEYS[1], key)
    else
      drop(key, KEYS[2])
    end
  end
  gone = gone + #over
end
local used = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', ARGV[1], 'LIMIT', 0, tonumber(ARGV[2]) - gone)
for _, member in ipairs(used) do redis.call('ZREM', KEYS[3], member) end
return gone + #used
"""
)
"""KEYS: all logins by their end, all sessions, all used logout tokens. ARGV: now, the most to delete."""
