import type { Reporter, TestCase, TestModule } from 'vitest/node';

/** Lists the tests that passed only when CI repeated them, with their first error: each is a defect of the test or of Machi. */
export class RepeatedTestsReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests('passed')]);
    const repeated = tests.filter((test) => test.diagnostic()?.flaky);
    if (repeated.length === 0) return;
    process.stdout.write('\nPassed only when repeated:\n');
    for (const test of repeated) {
      process.stdout.write(`  ${test.module.relativeModuleId}: ${test.fullName}\n${firstErrorOf(test)}`);
    }
  }
}

/** Message, difference and the lines of the stack outside of packages, indented. */
function firstErrorOf(test: TestCase): string {
  const error = test.result().errors?.[0];
  if (!error) return '';
  const places = (error.stacks ?? []).map(({ file, line, column }) => `at ${file}:${line}:${column}`);
  const text = [error.message, error.diff, ...places].filter(Boolean).join('\n');
  return text.replace(/^/gm, '    ') + '\n';
}
