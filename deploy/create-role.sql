-- PostgreSQL runs this once, as its superuser, when it starts with an empty folder. It creates the role of Machi, which owns
-- its database and therefore migrates it and creates trusted extensions, and has no right beyond that.
set log_min_error_statement = panic; -- a statement that fails is not logged with its password
\getenv password DB_PASSWORD
create role machi login nosuperuser nocreatedb nocreaterole password :'password';
alter database machi owner to machi;
