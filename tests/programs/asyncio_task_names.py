# Tasks are numbered from one.
# stdout:
# |Task-1
# |Task-2 my task
# |['Task-2 did 1', 'my task did 2', 'Task-3 did 3']
# |Task-4 did 0 1
# |Task-7
# |Task-8 my task
# |['Task-8 did 1', 'my task did 2', 'Task-9 did 3']
# |Task-10 did 0 1
import asyncio


async def job(n):
    await asyncio.sleep(0.001 * n)
    return f"{asyncio.current_task().get_name()} did {n}"


async def main():
    print(asyncio.current_task().get_name())
    first = asyncio.create_task(job(1))
    named = asyncio.create_task(job(2), name="my task")
    print(first.get_name(), named.get_name())
    print(await asyncio.gather(first, named, job(3)))
    async with asyncio.TaskGroup() as group:
        last = group.create_task(job(0))
    print(last.result(), len(asyncio.all_tasks()))


asyncio.run(main())
asyncio.run(main())
