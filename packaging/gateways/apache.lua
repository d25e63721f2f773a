-- What apache.conf asks claviger, and what it does with the answer.

local claviger = "127.0.0.1:8750"
-- If claviger has a --proxy-secret-file, a line of it:
local secret = nil

-- A browser's preflight, which never has a credential: answered here, nobody is asked. Who may call the
-- API from a page of another origin is for the API to say, in its answers. For some origins only:
-- local origins = { ["https://app.example.com"] = true, ["https://admin.example.com"] = true }
local origins = nil
local function preflight(headers)
    return {
        ["Access-Control-Allow-Origin"] = "*",
        ["Access-Control-Allow-Methods"] = "GET, HEAD, POST, PUT, PATCH, DELETE",
        ["Access-Control-Allow-Headers"] = headers["access-control-request-headers"],
        ["Access-Control-Max-Age"] = "600",
    }
end

-- Seconds until an answer must be there.
local deadline = 3
local connect_deadline = 1

local socket = require "socket"

-- Not sent to claviger: what belongs to the connection or the body, and what is written anew.
local kept_back = {
    ["connection"] = true, ["keep-alive"] = true, ["proxy-connection"] = true, ["te"] = true,
    ["trailer"] = true, ["transfer-encoding"] = true, ["upgrade"] = true, ["expect"] = true,
    ["content-length"] = true, ["host"] = true, ["x-forwarded-for"] = true,
    ["x-forwarded-method"] = true, ["x-forwarded-uri"] = true,
}

local function tell(r, status, headers, body)
    r.status = status
    r.err_headers_out["Cache-Control"] = "no-store"
    for name, value in pairs(headers) do
        r.err_headers_out[name] = value
    end
    if body then
        r.content_type = "application/problem+json"
        r:puts(body)
    end
    return apache2.DONE
end

-- Takes away what the client may not say, and returns the rest of its headers, names in small letters.
local function purged(r)
    local rest = {}
    for name, value in pairs(r:headers_in_table()) do
        local small = name:lower()
        -- Names such as X_Claviger_Key_Id or X.Claviger.Key.Id, which many applications read as
        -- X-Claviger-Key-Id, whatever only claviger or this file may say, and names by which some
        -- applications take another path. (mod_proxy writes X-Forwarded-For anew. Behind another
        -- proxy load mod_remoteip.)
        if small:find("[^a-z0-9-]") or small:find("^x%-claviger%-") or small:find("^x%-original%-")
            or small == "x-rewrite-url" or small == "x-forwarded-for" then
            r.headers_in[name] = nil
        else
            rest[small] = value
        end
    end

    -- mod_proxy drops the headers that the client names in Connection: it could so remove the
    -- identity claviger found. Only a WebSocket is upgraded.
    local named = "," .. (rest["connection"] or ""):lower():gsub("%s", "") .. ","
    local websocket = r.method == "GET" and named:find(",upgrade,", 1, true)
        and (rest["upgrade"] or ""):lower() == "websocket"
    if not websocket then
        r.headers_in["Upgrade"] = nil
    end
    r.headers_in["Connection"] = websocket and "Upgrade" or named:find(",close,", 1, true) and "close"
        or named:find(",keep-alive,", 1, true) and "keep-alive" or nil
    return rest
end

-- A question has no body, and all the client's headers; Apache has joined the copies of one by commas.
local function question(r, rest)
    local lines = {
        "GET " .. r.subprocess_env["CLAVIGER_PATH"] .. " HTTP/1.0",
        "Host: " .. claviger,
        "X-Original-Method: " .. r.method,
        -- Path and query as the client wrote them, not decoded, not normalized.
        "X-Original-URI: " .. r.unparsed_uri,
        "X-Forwarded-For: " .. r.useragent_ip,
    }
    if secret then
        lines[#lines + 1] = "X-Claviger-Proxy-Secret: " .. secret
    end
    for name, value in pairs(rest) do
        if not kept_back[name] then
            lines[#lines + 1] = name .. ": " .. value
        end
    end
    for _, line in ipairs(lines) do
        assert(not line:find("[\r\n\0]"), "a line break in a header")
    end
    return table.concat(lines, "\r\n") .. "\r\n\r\n"
end

-- Returns claviger's answer up to its end, or nothing.
local function answer(text)
    local connection = assert(socket.tcp())
    local ends = socket.gettime() + deadline
    local function left()
        return math.max(ends - socket.gettime(), 0.1)
    end
    local host, port = claviger:match("^(.*):(%d+)$")
    local all = nil
    connection:settimeout(connect_deadline, "t")
    if connection:connect(host, tonumber(port)) then
        connection:settimeout(left(), "t")
        if connection:send(text) then
            connection:settimeout(left(), "t")
            all = connection:receive("*a")
        end
    end
    connection:close()
    return all
end

-- Takes an answer apart: status, headers (several of one name joined by commas), body.
local function parts(text)
    local head, body = text:match("^(.-\r\n)\r\n(.*)$")
    local status = head and tonumber(head:match("^HTTP/1%.[01] (%d%d%d)[ \r]"))
    if not status then
        return nil, {}, ""
    end
    local headers = {}
    for name, value in head:gmatch("\n([^:\r\n]+):[ \t]*([^\r\n]*)") do
        name = name:lower()
        headers[name] = headers[name] and headers[name] .. ", " .. value or value
    end
    -- A piece of an answer is none.
    local length = tonumber(headers["content-length"])
    if length and length ~= #body then
        return nil, {}, ""
    end
    return status, headers, body
end

-- What of a refusal reaches the client.
local function shown(name)
    return name == "www-authenticate" or name == "x-claviger-decision-id" or name == "retry-after"
        or name:find("^ratelimit") ~= nil
end

local function decide(r, rest)
    local status, headers, body = parts(answer(question(r, rest)) or "")
    local decision = (headers["x-claviger-decision-id"] or ""):gsub("[^%w_]", "")
    local own_body = '{"status":%d,"decision_id":"' .. decision .. '"}\n'
    r.notes["claviger_decision_id"] = decision

    if status == 200 then
        -- What the API is told: always claviger's values (the client's own are gone by now). An empty
        -- one is no header at all.
        for name, value in pairs(headers) do
            if name:find("^x%-claviger%-") and value ~= "" then
                r.headers_in[name] = value
            end
        end
        r.notes["claviger_key_id"] = headers["x-claviger-key-id"]
        return apache2.OK
    end

    -- A 429 comes as 403, for gateways that know no other.
    if status == 403 and headers["x-claviger-status"] == "429" then
        status, body = 429, own_body:format(429)
    end
    local reply = {}
    if status == 401 or status == 403 or status == 429 then
        for name, value in pairs(headers) do
            if shown(name) then
                reply[name] = value
            end
        end
        return tell(r, status, reply, body)
    end
    -- No answer, a late one, or another one: nothing was decided.
    return tell(r, 503, { ["X-Claviger-Decision-Id"] = decision ~= "" and decision or nil }, own_body:format(503))
end

function authorize(r)
    -- A CONNECT reaches the API with a target that claviger is not shown.
    if r.method == "CONNECT" or r.method == "TRACE" then
        return 405
    end
    local rest = purged(r)

    -- Apache joins several headers of one name by commas.
    local origin, asked = rest["origin"], rest["access-control-request-method"]
    local one_of_each = origin and origin:find("^[^,]+$") and asked and asked:find("^[^,]+$")
    if r.method == "OPTIONS" and one_of_each and (not origins or origins[origin])
        and not rest["authorization"] and not rest["x-api-key"] then
        return tell(r, 204, preflight(rest))
    end

    local decided, verdict = pcall(decide, r, rest)
    if decided then
        return verdict
    end
    r:err("claviger could not be asked: " .. tostring(verdict))
    return tell(r, 503, {}, '{"status":503}\n')
end
