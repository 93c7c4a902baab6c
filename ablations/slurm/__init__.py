"""A study as a Slurm job: its sbatch file, and what the job runs on its nodes."""
