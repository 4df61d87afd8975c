"""A schedule is what seed and length make of it, and nothing else."""
import inspect

import actions
import broker_lane
import process_lanes
import schedule
import story

SIGNALS = {"kill", "terminate", "pause", "standby", "both", "zookeeper"}


def signals(steps):
    return sum(1 + len(step.parameters.get("starting", ())) for step in steps
               if step.action in SIGNALS)


class Schedule(story.Story):
    def test_the_same_seed_makes_the_same_schedule(self):
        self.assertEqual(schedule.make(7, 120, 200), schedule.make(7, 120, 200))
        self.assertNotEqual(schedule.make(7, 120, 200), schedule.make(8, 120, 200))

    def test_a_printed_schedule_can_be_replayed(self):
        steps = schedule.make(7, 120, 200)
        self.assertEqual(schedule.parse(schedule.text(steps)), steps)

    def test_ten_minutes_have_at_least_120_kills_and_pauses(self):
        for seed in range(200):
            with self.subTest(seed):
                self.assertGreaterEqual(signals(schedule.make(seed, 600, 200)), 120)

    def test_ten_minutes_have_every_kind_of_fault(self):
        for seed in range(50):
            with self.subTest(seed):
                steps = schedule.make(seed, 600, 200)
                done = {step.action for step in steps}
                self.assertLessEqual(SIGNALS | {"cut", "full", "move_journal", "rate"}, done)
                self.assertTrue(any(step.parameters.get("starting") for step in steps))

    def test_nothing_is_done_before_the_shop_runs_nor_in_the_last_seconds(self):
        for seed in range(50):
            times = [step.at for step in schedule.make(seed, 60, 200)]
            self.assertGreaterEqual(min(times), schedule.WARM_UP)
            self.assertLess(max(times), 60 - schedule.LAST_QUIET)

    def test_every_step_has_an_action_with_these_parameters(self):
        lanes = {"cart": process_lanes.ProcessLane, "stock": process_lanes.ProcessLane,
                 "consumer": process_lanes.ConsumerLane, "brokers": broker_lane.BrokersLane,
                 "load": actions.LoadLane}
        for seed in range(20):
            for step in schedule.make(seed, 600, 200):
                action = getattr(lanes[step.lane], "do_" + step.action)
                inspect.signature(action).bind(None, **step.parameters)


if __name__ == "__main__":
    story.main()
