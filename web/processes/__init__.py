"""The processes of `verdicts up`: the Procfile's lines, run, restarted, heard and ended; and what else starts one."""
