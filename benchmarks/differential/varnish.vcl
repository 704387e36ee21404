vcl 4.1;

# What Varnish has to be told to do what RFC 9111 demands, and nothing besides. Its own rules,
# which follow these, are for sites that say little about caching.

backend app {
    .host = "127.0.0.1";
    .port = "@PORT@";
}

sub vcl_recv {
    # By its own rules a request with Cookie or Authorization is never answered from the store.
    # To RFC 9111 a cookie is a field like any other (7.3), and credentials may be answered with
    # what is stored without any (3.5).
    if (req.method == "GET" || req.method == "HEAD") {
        return (hash);
    }
    return (pass);
}

sub vcl_backend_response {
    # Varnish invalidates nothing by itself (4.4).
    if (bereq.method ~ "^(POST|PUT|PATCH|DELETE)$" && beresp.status >= 200 && beresp.status < 400) {
        ban("obj.http.X-Stored-As == " + bereq.http.Host + bereq.url);
        if (beresp.http.Location ~ "^/") {
            ban("obj.http.X-Stored-As == " + bereq.http.Host + beresp.http.Location);
        }
        if (beresp.http.Content-Location ~ "^/") {
            ban("obj.http.X-Stored-As == " + bereq.http.Host + beresp.http.Content-Location);
        }
    }
    set beresp.http.X-Stored-As = bereq.http.Host + bereq.url;

    # An answer to credentials is for others only if it says so (3.5).
    if (bereq.http.Authorization
        && beresp.http.Cache-Control !~ "(?i)(public|s-maxage|must-revalidate)") {
        set beresp.uncacheable = true;
        set beresp.ttl = 0s;
        return (deliver);
    }
}

sub vcl_deliver {
    unset resp.http.X-Stored-As;
}
