select case type when 'default_privs' then format('alter default privileges for role %I%s ', maker, ' in schema ' || quote_ident(schema)) else '' end
 || case when take then 'revoke ' else 'grant ' end || array_to_string(privs, ', ') || ' on ' || case type when 'default_privs' then '' else replace(type, '_', ' ') || ' ' end
 || string_agg(sql, ', ' order by sql) || case when take then ' from ' else ' to ' end || coalesce(quote_ident(role), 'public')
from due group by n, take, privs, type, role, schema, maker, case type when 'default_privs' then sql end order by take desc, n
