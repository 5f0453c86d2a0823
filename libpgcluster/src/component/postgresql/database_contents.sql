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
      group by name) as needed)
) from (values (:'asked'::jsonb)) as wishes (asked);
