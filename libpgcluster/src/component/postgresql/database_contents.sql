select jsonb_build_object(
  'db', current_database(),
  'schemas', (select jsonb_object_agg(nspname, pg_get_userbyid(nspowner)) from pg_namespace
    where nspname in (select jsonb_array_elements_text(asked -> 'schemas'))),
  'schema_needed', (select jsonb_object_agg(name, words) from (
    select name, string_agg(word, ', ' order by nth) filter (where nth <= 5) || case when count(*) > 5 then format(' and %s more', count(*) - 5) else '' end as words
      from (select nspname as name, pg_describe_object(classid, objid, 0) as word, row_number() over (partition by nspname order by classid, objid) as nth
        from pg_depend d join pg_namespace n on n.oid = refobjid
        where refclassid = 'pg_namespace'::regclass and deptype = 'n' and nspname in (select jsonb_array_elements_text(asked -> 'dropped_schemas'))
          and not exists (select from pg_depend e where e.classid = d.classid and e.objid = d.objid and e.deptype = 'e')) as needs
      group by name) as needed),
  'extensions', (select jsonb_object_agg(extname, jsonb_build_array(extversion, nspname, extrelocatable,
      (select jsonb_agg(target) from pg_extension_update_paths(extname) where source = extversion and path is not null)))
    from pg_extension join pg_namespace n on n.oid = extnamespace where extname in (select jsonb_array_elements_text(asked -> 'extensions'))),
  'extension_needed', (select jsonb_object_agg(name, words) from (
    select name, string_agg(word, ', ' order by nth) filter (where nth <= 5) || case when count(*) > 5 then format(' and %s more', count(*) - 5) else '' end as words
      from (select extname as name, pg_describe_object(classid, objid, objsubid) as word, row_number() over (partition by extname order by classid, objid, objsubid) as nth
        from (select distinct x.extname, d.classid, d.objid, d.objsubid
          from pg_extension x join pg_depend m on m.refclassid = 'pg_extension'::regclass and m.refobjid = x.oid and m.deptype = 'e'
          join pg_depend d on d.refclassid = m.classid and d.refobjid = m.objid and d.deptype = 'n'
          where extname in (select jsonb_array_elements_text(asked -> 'dropped_extensions'))
            and not exists (select from pg_depend own where own.classid = d.classid and own.objid = d.objid and own.deptype = 'e')
            and not exists (select from pg_depend part join pg_depend own on own.classid = part.refclassid and own.objid = part.refobjid and own.deptype = 'e'
              where part.classid = d.classid and part.objid = d.objid and part.deptype in ('i', 'a'))
          union select x.extname, d.classid, d.objid, 0 from pg_extension x join pg_depend d on d.refclassid = 'pg_extension'::regclass and d.refobjid = x.oid and d.deptype = 'n'
          where extname in (select jsonb_array_elements_text(asked -> 'dropped_extensions'))
            and not (d.classid = 'pg_extension'::regclass and exists (select from pg_extension y where y.oid = d.objid
              and y.extname in (select jsonb_array_elements_text(asked -> 'dropped_extensions'))))) as found
      ) as needs
      group by name) as needed),
  'grants', (select jsonb_object_agg(n, jsonb_build_array(coalesce(found, 0), coalesce(needed, 0), missing)) from wish
    left join (select n, count(*) as found from item group by n) as objects using (n)
    left join (select n, count(*) as needed from due group by n) as changes using (n)
    left join (select n, jsonb_agg(o) as missing from (select n, unnest(objs) as o from wish except (select n, name from item union all select n, other from item)) as names
      group by n) as absent using (n))
) from (values (:'asked'::jsonb)) as wishes (asked);
