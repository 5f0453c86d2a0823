with wish as (
  select w.*, case when role is null then 0 else (select oid from pg_roles where rolname = role) end as grantee
  from jsonb_to_recordset(:'asked'::jsonb -> 'privileges') as w (n int, take boolean, type text, role text, schema text, objs text[], privs text[], held text[], maker text)
), item as (
  select w.n, o.* from wish w cross join lateral (
    select relname::text as name, relname::text as other, format('%I.%I', nspname, relname) as sql, relowner as owner,
      coalesce(relacl, acldefault(case relkind when 'S' then 's' else 'r' end::"char", relowner)) as acl
      from pg_class join pg_namespace s on s.oid = relnamespace
      where w.type in ('table', 'sequence') and nspname = w.schema and (relkind = 'S') = (w.type = 'sequence') and relkind in ('r', 'p', 'v', 'm', 'f', 'S')
    union all select proname, format('%s(%s)', proname, oidvectortypes(proargtypes)), p.oid::regprocedure::text, proowner, coalesce(proacl, acldefault('f', proowner))
      from pg_proc p join pg_namespace s on s.oid = pronamespace where w.type in ('function', 'procedure') and nspname = w.schema and (prokind = 'p') = (w.type = 'procedure')
    union all select typname, null, format('%I.%I', nspname, typname), typowner, coalesce(typacl, acldefault('T', typowner))
      from pg_type join pg_namespace s on s.oid = typnamespace where w.type = 'type' and nspname = w.schema
    union all select nspname, null, format('%I', nspname), nspowner, coalesce(nspacl, acldefault('n', nspowner)) from pg_namespace where w.type = 'schema'
    union all select datname, null, format('%I', datname), datdba, coalesce(datacl, acldefault('d', datdba)) from pg_database where w.type = 'database'
    union all select lanname, null, format('%I', lanname), lanowner, coalesce(lanacl, acldefault('l', lanowner)) from pg_language where w.type = 'language'
    union all select fdwname, null, format('%I', fdwname), fdwowner, coalesce(fdwacl, acldefault('F', fdwowner)) from pg_foreign_data_wrapper where w.type = 'foreign_data_wrapper'
    union all select srvname, null, format('%I', srvname), srvowner, coalesce(srvacl, acldefault('S', srvowner)) from pg_foreign_server where w.type = 'foreign_server'
    union all select spcname, null, format('%I', spcname), spcowner, coalesce(spcacl, acldefault('t', spcowner)) from pg_tablespace where w.type = 'tablespace'
    union all select kind, null, kind, r.oid, case when d.oid is not null then defaclacl when w.schema is null then acldefault(code, r.oid) end
      from (values ('TABLES', 'r'::"char"), ('SEQUENCES', 'S'), ('FUNCTIONS', 'f'), ('TYPES', 'T'), ('SCHEMAS', 'n')) as kinds (kind, code)
      join pg_roles r on rolname = w.maker
      left join pg_default_acl d on defaclrole = r.oid and defaclobjtype = code and defaclnamespace = coalesce((select oid from pg_namespace where nspname = w.schema), 0)
      where w.type = 'default_privs' and (w.schema is null or exists (select from pg_namespace where nspname = w.schema))
  ) o where w.objs is null or o.name = any(w.objs) or o.other = any(w.objs)
), due as (
  select w.n, take, privs, type, role, schema, maker, sql from wish w join item i using (n) where case when take then
    owner is distinct from grantee and not name = any(coalesce(held, '{}')) and exists (select from aclexplode(acl) a where a.grantee = w.grantee and a.grantor = owner and a.privilege_type = any(privs))
    else exists (select from unnest(privs) as p where not exists (select from aclexplode(acl) a where a.grantee = w.grantee and a.privilege_type = p)) end
)
