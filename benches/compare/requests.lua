-- wrk -s requests.lua URL -- get|post SERVICES AUTHORIZATION FORM close|keep
-- Asks for SERVICES services in turn; each thread begins at another place, so that they do not
-- walk in step.
local threads = 0

function setup(thread)
  thread:set("id", threads)
  threads = threads + 1
end

function init(args)
  local kind, services, form = args[1], tonumber(args[2]), args[4]
  local headers = { Authorization = args[3] }
  if args[5] == "close" then headers["Connection"] = "close" end
  requests = {}
  for number = 0, services - 1 do
    local path = string.format("/v1/Services/KS%032x", number)
    if kind == "post" then
      headers["Content-Type"] = "application/x-www-form-urlencoded"
      requests[#requests + 1] = wrk.format("POST", path .. "/Sessions", headers, form)
    else
      requests[#requests + 1] = wrk.format("GET", path, headers)
    end
  end
  at = math.floor(services / 2) * id
end

function request()
  at = at % #requests + 1
  return requests[at]
end
