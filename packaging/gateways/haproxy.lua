-- What haproxy.cfg asks claviger, and what it does with the answer.

local claviger = os.getenv("CLAVIGER")
-- If claviger has a --proxy-secret-file, a line of it:
local secret = nil

-- Seconds until an answer must be there. (core.httpclient is not used because it tries four times,
-- and its timeout is for one of them.) The time counts anew with each piece of an answer; claviger
-- writes it in one.
local deadline = 3
local connect_deadline = 1

-- Not sent to claviger: what belongs to the connection or the body, and what is written anew.
local kept_back = {
    ["connection"] = true, ["keep-alive"] = true, ["proxy-connection"] = true, ["te"] = true,
    ["trailer"] = true, ["transfer-encoding"] = true, ["upgrade"] = true, ["expect"] = true,
    ["content-length"] = true, ["host"] = true,
    ["x-forwarded-method"] = true, ["x-forwarded-uri"] = true,
}

local function now()
    local time = core.now()
    return time.sec + time.usec / 1e6
end

-- A question has no body, and all the client's headers, every copy of them; X-Forwarded-For is the one
-- that haproxy.cfg has set. Returns nothing if a header holds what no header can.
local function question(txn)
    local lines = {
        "GET " .. txn:get_var("txn.claviger_path") .. " HTTP/1.0",
        "Host: " .. claviger,
        "X-Original-Method: " .. txn.f:method(),
        -- Path and query as the client wrote them, not decoded, not normalized.
        "X-Original-URI: " .. (txn.f:pathq() or txn.f:url()),
    }
    if secret then
        lines[#lines + 1] = "X-Claviger-Proxy-Secret: " .. secret
    end
    for name, values in pairs(txn.http:req_get_headers()) do
        if not kept_back[name] and not name:find("^x%-claviger%-") and not name:find("^x%-original%-") then
            for _, value in pairs(values) do
                lines[#lines + 1] = name .. ": " .. value
            end
        end
    end
    for _, line in ipairs(lines) do
        if line:find("[\r\n\0]") then
            return nil
        end
    end
    return table.concat(lines, "\r\n") .. "\r\n\r\n"
end

-- Returns claviger's answer up to its end, or nothing.
local function answer(text)
    local socket = core.tcp()
    local ends = now() + deadline
    socket:settimeout(connect_deadline)
    if not socket:connect(claviger) then
        return nil
    end
    socket:settimeout(math.max(ends - now(), 0.1))
    local all = nil
    if socket:send(text) then
        socket:settimeout(math.max(ends - now(), 0.1))
        all = socket:receive("*a")
    end
    socket:close()
    return all
end

-- Takes an answer apart: status, headers (each a list of values), body.
local function parts(text)
    local head, body = text:match("^(.-\r\n)\r\n(.*)$")
    local status = head and tonumber(head:match("^HTTP/1%.[01] (%d%d%d)[ \r]"))
    if not status then
        return nil, {}, ""
    end
    local headers = {}
    for name, value in head:gmatch("\n([^:\r\n]+):[ \t]*([^\r\n]*)") do
        name = name:lower()
        headers[name] = headers[name] or {}
        table.insert(headers[name], value)
    end
    -- A piece of an answer is none.
    local length = headers["content-length"] and tonumber(headers["content-length"][1])
    if length and length ~= #body then
        return nil, {}, ""
    end
    return status, headers, body
end

-- What of a refusal reaches the client.
local function shown(name)
    return name == "www-authenticate" or name == "x-claviger-decision-id" or name == "content-type"
        or name == "retry-after" or name:find("^ratelimit") ~= nil
end

core.register_action("claviger", { "http-req" }, function(txn)
    local text = question(txn)
    local status, headers, body = parts(text and answer(text) or "")
    local decision = (headers["x-claviger-decision-id"] or { "" })[1]
    txn:set_var("txn.claviger_decision_id", decision)

    if status == 200 then
        -- What the API is told: always claviger's values (the client's own are gone by now). An empty
        -- one is no header at all.
        for name, values in pairs(headers) do
            if name:find("^x%-claviger%-") and values[1] ~= "" then
                txn.http:req_set_header(name, values[1])
            end
        end
        txn:set_var("txn.claviger_key_id", (headers["x-claviger-key-id"] or { "" })[1])
        txn:set_var("txn.claviger_allowed", "yes")
        return
    end

    local own_body = '{"status":%d,"decision_id":"' .. decision:gsub("[^%w_]", "") .. '"}\n'
    -- A 429 comes as 403, for gateways that know no other.
    if status == 403 and (headers["x-claviger-status"] or {})[1] == "429" then
        status, body = 429, own_body:format(429)
    end
    local reply = txn:reply()
    reply:add_header("cache-control", "no-store")
    if status == 401 or status == 403 or status == 429 then
        reply:set_status(status)
        for name, values in pairs(headers) do
            if shown(name) then
                for _, value in ipairs(values) do
                    reply:add_header(name, value)
                end
            end
        end
        reply:set_body(body)
    else
        -- No answer, a late one, or another one: nothing was decided.
        status = text and 503 or 400
        reply:set_status(status)
        reply:add_header("content-type", "application/problem+json")
        if decision ~= "" then
            reply:add_header("x-claviger-decision-id", decision)
        end
        reply:set_body(own_body:format(status))
    end
    txn:done(reply)
end)
